"""`dashboard.html`, assembled: one file that opens from disk and asks no server for anything.

Its sources lie in `web/`, its charts in `charts/`. What it carries is every fact row (`payload`), the chart library,
and nothing that identifies a row or a member of the star.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sf_transactions.dashboard import charts, payload
from sf_transactions.dashboard.facts import Facts
from sf_transactions.dashboard.glossary import GLOSSARY
from sf_transactions.ddl import quoted
from sf_transactions.model import (
    CHART_CHANGE,
    CODED_DIMENSIONS,
    DATASET_ID,
    FIRST_FISCAL_YEAR,
    SCHEMA,
    TRANSFER_ADJUSTMENTS,
    closed_fiscal_years,
    code_column,
    fiscal_years,
)

HERE = Path(__file__).parent
SOURCES = HERE / "web"
# In the order in which they build on each other; together they are one module.
SCRIPTS = ("money", "data", "state", "query", "sql", "figures", "csv", "dom", "draw", "search", "explore", "main")
# Tab and alias in SQL of each hierarchy.
TABS = {"program": ("Organization", "p"), "type": ("Type", "y"), "fund": ("Fund", "d")}
FIGURES = {
    "trend": "the trend",
    "who": "who spends",
    "from": "where the money comes from",
    "share": "the share of transactions",
    "taxes": "taxes as revenue",
    "net": "net",
    "funds": "fund types by spending",
}


@dataclass(frozen=True)
class Source:
    """What the figures come from: the name of the published dataset and the day its rows were last updated."""

    name: str
    as_of: date | None


def build(facts: Facts, source: Source, chart_library: Callable[[], str]) -> str:
    """The page. A fiscal year's status is that of the as-of date, or of today where there is none.

    `chart_library` gives the script that draws charts, as `charts.bundle` does; it is asked for last.
    """
    day = source.as_of or date.today()
    script = "\n".join(read(f"{name}.js") for name in SCRIPTS)
    style = page_style("style.css")
    encoded = payload.compressed(*payload.encode(facts, about(facts, source, day)))
    library = chart_library()
    rows = f"{len(facts.cents):,}"
    slots = {
        "policy": policy(style, script, library),
        "style": style,
        "script": script,
        "first_year": str(min(facts.years, default=FIRST_FISCAL_YEAR)),
        "last_year": str(max(facts.years, default=day.year)),
        "change_year": str(CHART_CHANGE),
        "rows": rows,
        "as_of": f"as of {day:%B} {day.day}, {day.year}" if source.as_of else "of an unknown date",
        "source": html.escape(source.name),
        "dataset": DATASET_ID,
        "tabs": "\n    ".join(
            f'<button type="button" role="tab" id="tab-{name}" aria-controls="panel">{title}</button>'
            for name, (title, _) in TABS.items()
        ),
        "glossary": "".join(
            f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd></div>" for term, text in GLOSSARY.items()
        ),
        "theme": _json({name: f"var(--{name})" for name in charts.THEMES["light"]}),
        "charts": _json(
            {kind: charts.specification(kind) for kind in charts.KINDS} | {"config": json.dumps(charts.config())}
        ),
        "library": payload.compressed(library.encode()),
        "facts": encoded,
    }
    slots |= {f"figure:{name}": _figure(name, what) for name, what in FIGURES.items()}
    return filled(read("index.html"), slots)


def about(facts: Facts, source: Source, day: date) -> dict[str, Any]:
    """What the page's script needs to know beside the rows. No identifiers."""
    return {
        "schema": SCHEMA,
        "source": source.name,
        "as_of": source.as_of.isoformat() if source.as_of else None,
        "default_year": charts.last_closed(facts.years, day),
        "closed_to": closed_fiscal_years(day)[-1],
        "current_year": fiscal_years(day)[-1],
        "change_year": CHART_CHANGE,
        "transfer_adjustments": TRANSFER_ADJUSTMENTS,
        "about": {
            dimension.name: {
                "title": TABS[dimension.name][0],
                "alias": TABS[dimension.name][1],
                "titles": [level_title(level) for level in dimension.levels],
                "columns": [quoted(level) for level in dimension.levels],
                "code_columns": [code_column(level) for level in dimension.levels],
            }
            for dimension in CODED_DIMENSIONS
        },
    }


def carried(page: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the columns that a page carries, read back from its text."""
    match = re.search(r'<script type="application/octet-stream" id="facts">([^<]*)</script>', page)
    if match is None:
        raise ValueError("this is no dashboard: it carries no facts")
    return payload.decode(payload.expanded(match[1]))


def level_title(level: str) -> str:
    """`organization_group` -> "Organization group", `sub_object` -> "Sub-object"."""
    return level.replace("sub_", "sub-").replace("_", " ").capitalize()


def policy(style: str, *scripts: str) -> str:
    """The Content-Security-Policy: these scripts and this style, pictures in data: URLs, and nothing else."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def read(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def code() -> list[str]:
    """Everything the page is made of besides facts, so that a newer page is made anew."""
    return [path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*")) if path.suffix in SUFFIXES]


SUFFIXES = {".py", ".js", ".css", ".html", ".json"}


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def page_style(name: str) -> str:
    """A page's style: the theme's colours, what all pages share, and its own."""
    return _tokens() + read("base.css") + read(name)


def _tokens() -> str:
    """The theme's colours as custom properties; paper is light."""
    light, dark = (
        "".join(f"--{name}: {colour};" for name, colour in charts.THEMES[theme].items()) for theme in ("light", "dark")
    )
    return f":root {{{light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root {{{dark}}} }}\n"


def _figure(name: str, what: str) -> str:
    return filled(read("figure.html"), {"id": name, "what": what})


def _json(value: Any) -> str:
    """JSON that can stand in a script element."""
    return json.dumps(value).replace("<", "\\u003c")


def filled(template: str, slots: Mapping[str, str]) -> str:
    """A template with each {{slot}} replaced; what is put in is not looked at again."""
    return re.sub(r"\{\{([\w:]+)\}\}", lambda match: slots[match[1]], template)
