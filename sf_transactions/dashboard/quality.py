"""The quality page: every check with what it expects, what was observed, failing rows and its trend over the last runs,
as one HTML file without a network."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sf_transactions.dashboard.page import filled, page_style, policy, read

WORDS = {"failed": "Failed", "warned": "Warned", "passed": "Passed", "not run": "Not run"}
_NUMBER = ' class="number"'
HEADINGS = ("Result", "Check", "Expectation", "Observed", "Last runs")


@dataclass(frozen=True)
class Evaluation:
    """A check in one run: `failing` rows, and all that was `found` where only what is new fails."""

    when: str
    passed: bool
    failing: int
    found: int | None = None


@dataclass(frozen=True)
class Checked:
    """A check and its last evaluation: `state` is a key of `WORDS`, `sample` the first failing rows, and `history` the
    last evaluations, the newest first."""

    asset: str
    name: str
    expectation: str
    blocking: bool
    state: str
    observed: str
    sample: Sequence[Mapping[str, str]]
    history: Sequence[Evaluation]


def build(
    checked: Sequence[Checked], source: str, run: str, when: str, appendix: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """The page. `appendix` are tables to be shown below the checks, by their titles."""
    style = page_style("quality.css")
    slots = {
        "policy": policy(style),
        "style": style,
        "source": html.escape(source),
        "run": html.escape(run),
        "when": html.escape(when),
        "sum": "".join(_count(state, checked) for state in WORDS),
        "blocking": _checks("must hold", [check for check in checked if check.blocking]),
        "informative": _checks("were found", [check for check in checked if not check.blocking]),
        "appendix": "".join(
            f"<section><h2>{html.escape(title)}</h2>{_table(title, rows)}</section>"
            for title, rows in appendix.items()
            if rows
        ),
    }
    return filled(read("quality.html"), slots)


def _count(state: str, checked: Sequence[Checked]) -> str:
    number = sum(check.state == state for check in checked)
    return f"<li><b>{number}</b>{WORDS[state].lower()}</li>" if number or state != "not run" else ""


def _checks(what: str, checked: Iterable[Checked]) -> str:
    """What failed comes first. Roles are told, because on a phone the rows are no table to the browser."""
    order = list(WORDS)
    rows = "".join(map(_row, sorted(checked, key=lambda check: (order.index(check.state), check.asset, check.name))))
    head = "".join(f'<th scope="col" role="columnheader">{heading}</th>' for heading in HEADINGS)
    return (
        f'<div class="scroll checks" tabindex="0" role="region" aria-label="Checks of what {what}">'
        f'<table role="table"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _row(check: Checked) -> str:
    name = html.escape(f"{check.asset} {check.name}")
    sample = _details("failing rows", f"Failing rows of {name}", check.sample)
    state = f'<span class="state {check.state.replace(" ", "-")}">{WORDS[check.state]}</span>'
    title = f"<h3>{html.escape(check.name)}</h3><code>{html.escape(check.asset)}</code>"
    cells = (
        f'<td role="cell">{state}</td>',
        f'<th scope="row" role="rowheader">{title}</th>',
        f'<td role="cell" class="expectation">{html.escape(check.expectation)}</td>',
        f'<td role="cell" data-label="Observed">{html.escape(check.observed)}{sample}</td>',
        f'<td role="cell" class="history" data-label="Last runs">{_history(name, check.history)}</td>',
    )
    return f'<tr role="row">{"".join(cells)}</tr>'


def _history(name: str, runs: Sequence[Evaluation]) -> str:
    """The trend in a line, oldest first, and each run below it; a check that never found anything says so."""
    if not runs:
        return ""
    counted = [run.failing if run.found is None else run.found for run in reversed(runs)]
    if not any(counted):
        return "0 in the last run" if len(runs) == 1 else f"0 in each of the last {len(runs)} runs"
    trend = " → ".join(f"{count:,}" for count in counted) + (" failing" if runs[0].found is None else " found")
    rows = [
        {"run": run.when, "result": "passed" if run.passed else "did not pass", "failing": run.failing}
        | ({} if run.found is None else {"found": run.found})
        for run in runs
    ]
    return _details(trend, f"Last runs of {name}", rows)


def _details(summary: str, label: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return f"<details><summary>{html.escape(summary)}</summary>{_table(label, rows)}</details>" if rows else ""


def _table(label: str, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0]) if rows else []
    head = "".join(
        f'<th scope="col"{_NUMBER if _is_number(rows[0][column]) else ""}>{html.escape(column.replace("_", " "))}</th>'
        for column in columns
    )
    body = "".join("<tr>" + "".join(_cell(row.get(column)) for column in columns) + "</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(label)}, as a table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if _is_number(value):
        return f"<td{_NUMBER}>{value:,.2f}</td>" if isinstance(value, float) else f"<td{_NUMBER}>{value:,}</td>"
    return f"<td>{html.escape('' if value is None else str(value))}</td>"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
