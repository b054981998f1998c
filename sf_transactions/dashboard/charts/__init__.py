"""The charts: Vega-Lite specifications beside this file, for the page and, as pictures, for Dagster's UI.

In a specification `@name` stands for a colour of the theme, or for `@money`, the expression that writes dollars as
finance people abbreviate them.
"""

import base64
import contextlib
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sf_transactions.model import closed_fiscal_years

HERE = Path(__file__).parent
KINDS = ("trend", "bars", "net")
THEMES: dict[str, dict[str, str]] = json.loads((HERE.parent / "theme.json").read_text(encoding="utf-8"))
MINUS = "\u2212"
MONEY = (
    f"(datum.value < 0 ? '{MINUS}' : '')"
    " + '$' + (abs(datum.value) >= 1e9 ? format(abs(datum.value) / 1e9, ',.3~r') + 'B'"
    " : abs(datum.value) >= 1e6 ? format(abs(datum.value) / 1e6, ',.3~r') + 'M'"
    " : abs(datum.value) >= 1e3 ? format(abs(datum.value) / 1e3, ',.3~r') + 'K' : format(abs(datum.value), ','))"
)
WIDTH = 640  # of a picture, in pixels
EXPORTED = "globalThis.vegaEmbed = vegaEmbed;"
Data = Mapping[str, Sequence[Mapping[str, Any]]]  # the rows of each dataset of a chart


def specification(kind: str) -> str:
    """The Vega-Lite specification of a kind of chart, as JSON with its names of colours."""
    return (HERE / f"{kind}.json").read_text(encoding="utf-8").replace('"@money"', json.dumps(MONEY))


def config() -> dict[str, Any]:
    """What all charts share: type, lines, no frame. `@sans` is the font, which Vega must know to measure texts."""
    quiet = {"labelColor": "@quiet", "labelFontSize": 12, "labelPadding": 6}
    lines = {"domain": False, "ticks": False, "gridColor": "@rule", "gridWidth": 1}
    return {
        "background": None,
        "font": "@sans",
        "padding": 0,
        "view": {"stroke": None},
        "axis": {**quiet, **lines},
        "axisX": {"labelFlush": True},
        "text": {"color": "@ink", "fontSize": 14, "font": "@sans"},
    }


def coloured(specification: str, theme: Mapping[str, str]) -> dict[str, Any]:
    """A specification with the colours of a theme in the place of their names."""
    return json.loads(re.sub(r'"@(\w+)"', lambda match: json.dumps(theme[match[1]]), specification))


def bundle() -> str:
    """Vega-Embed with Vega and Vega-Lite as one script, which sets `vegaEmbed`."""
    import vl_convert

    return vl_convert.javascript_bundle(EXPORTED)


def bundling() -> "subprocess.Popen[str]":
    """The same in a process of its own, which writes it to its standard output: bundling takes a second and holds
    Python's lock all the while."""
    program = f"import sys; from {__name__} import bundle; sys.stdout.write(bundle())"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8")


def bundle_versions() -> tuple[str, ...]:
    """What decides what the bundle is."""
    return importlib.metadata.version("vl-convert-python"), EXPORTED


@contextlib.contextmanager
def drawing() -> Iterator[Callable[[str, Data], "Future[str]"]]:
    """Gives what draws charts, as `svg` does, one after the other, in a process of its own: Vega takes half a second to
    start and holds Python's lock whenever it works. The block goes on meanwhile."""
    program = f"import {__name__} as charts; charts.draw()"
    with (
        subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        ) as process,
        ThreadPoolExecutor(1) as pool,
    ):

        def drawn(kind: str, data: Data) -> str:
            assert process.stdin and process.stdout
            if process.poll() is None:
                print(json.dumps([kind, data]), file=process.stdin, flush=True)
            if not (picture := process.stdout.readline()):
                raise RuntimeError(f"the chart {kind} could not be drawn: exit code {process.wait()}")
            return json.loads(picture)

        yield lambda kind, data: pool.submit(drawn, kind, data)


def draw() -> None:
    """Draws the charts of standard input, a line of JSON each; writes each picture as a line of JSON."""
    svg("bars", {"rows": []})  # Vega starts while the first chart is still being made
    for line in sys.stdin:
        print(json.dumps(svg(*json.loads(line))), flush=True)


def svg(kind: str, data: Data) -> str:
    """A chart as a picture of its own, light; coordinates to a hundredth of a pixel."""
    import vl_convert

    light = THEMES["light"]
    spec = coloured(specification(kind), light) | {
        "width": WIDTH,
        "datasets": data,
        "config": coloured(json.dumps(config()), light | {"sans": "Liberation Sans, Arial, sans-serif"})
        | {"background": light["ground"], "padding": 16, "aria": False},
    }
    return re.sub(r"(\.\d\d)\d+", r"\1", vl_convert.vegalite_to_svg(spec))


def markdown(picture: str, title: str) -> str:
    """A picture as Markdown that holds it, which Dagster's UI shows."""
    return f"{title}\n\n![{title}](data:image/svg+xml;base64,{base64.b64encode(picture.encode()).decode('ascii')})"


def money(dollars: Decimal) -> str:
    """Dollars as the City's finance people abbreviate them: $18.83B, $4.24M, the sign before the dollar sign."""
    sign = MINUS if dollars < 0 else ""
    for size, unit in ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "K")):
        if abs(dollars) >= size:
            return f"{sign}${abs(dollars) / size:,.2f}{unit}"
    return f"{sign}${abs(dollars):,.2f}"


def last_closed(years: Collection[int], day: date) -> int:
    """The latest of these fiscal years that was closed on a day, or else the latest of them. The day's year where there
    are none."""
    closed = [year for year in years if year in closed_fiscal_years(day)]
    return max(closed or years, default=day.year)
