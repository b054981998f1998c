"""The quality page: every check with what it expects, what was observed, failing rows and its history, as one HTML file
without a network."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

WORDS = {"failed": "Failed", "warned": "Warned", "passed": "Passed", "not run": "Not run"}

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality: San Francisco spending and revenue</title>
<style>
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fafbfb; }
  main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
  h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .25rem; }
  h3 { font-size: 1.05rem; margin: 0; font-weight: 600; }
  p { margin: 0 0 1rem; color: #46525c; max-width: 75ch; }
  .sum { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
  .sum li { background: #fff; border: 1px solid #e3e7ea; border-radius: 8px; padding: .5rem 1rem; }
  .sum b { font-size: 1.4rem; font-variant-numeric: tabular-nums; margin-right: .35rem; }
  .scroll { overflow-x: auto; background: #fff; border: 1px solid #e3e7ea; border-radius: 8px; margin-bottom: 1rem; }
  table { border-collapse: collapse; width: 100%; font-size: .92rem; }
  th, td { text-align: left; vertical-align: top; padding: .45rem .75rem; border-bottom: 1px solid #e3e7ea; }
  th { font-weight: 600; background: #f3f5f6; }
  td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  code { font-size: .9em; overflow-wrap: anywhere; }
  .state { display: inline-block; border-radius: 4px; padding: 0 .45rem; font-size: .85rem; white-space: nowrap; }
  .passed { background: #e2f2e6; color: #14532d; } .failed { background: #b42318; color: #fff; }
  .warned { background: #fdecc8; color: #6b3d00; } .not-run { background: #e3e7ea; color: #46525c; }
  details summary { cursor: pointer; color: #1b5e93; } details .scroll { margin: .5rem 0 0; max-width: 70vw; }
  .history { white-space: nowrap; font-variant-numeric: tabular-nums; color: #46525c; }
</style>
</head>
<body><main>
<h1>Data quality</h1>
<p>San Francisco spending and revenue, $source. Checked by run <code>$run</code>, $when UTC.</p>
<ul class="sum">$sum</ul>
<h2>What must hold in the output</h2>
<p>Where one of these fails, what depends on it is not made, and the last good state stays.</p>
$blocking
<h2>What was found in the input</h2>
<p>These block nothing: the rules of the output hold whatever the input is like. A warning is worth a look.</p>
$informative
$appendix
</main></body></html>
""")


@dataclass(frozen=True)
class Checked:
    """A check and its last evaluation: `state` is a key of `WORDS`; `sample` the first failing rows; `history` how many
    rows failed in the last runs, the newest first, each with its time."""

    asset: str
    name: str
    expectation: str
    blocking: bool
    state: str
    observed: str
    sample: Sequence[Mapping[str, str]]
    history: Sequence[tuple[str, str]]


def build(
    checked: Sequence[Checked], source: str, run: str, when: str, appendix: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    """The page. `appendix` are tables to be shown below the checks, by their titles."""
    return PAGE.substitute(
        source=html.escape(source),
        run=html.escape(run),
        when=html.escape(when),
        sum="".join(_count(state, checked) for state in WORDS),
        blocking=_checks(check for check in checked if check.blocking),
        informative=_checks(check for check in checked if not check.blocking),
        appendix="".join(f"<h2>{html.escape(title)}</h2>{_table(rows)}" for title, rows in appendix.items() if rows),
    )


def _count(state: str, checked: Sequence[Checked]) -> str:
    number = sum(check.state == state for check in checked)
    return f"<li><b>{number}</b>{WORDS[state].lower()}</li>" if number or state != "not run" else ""


def _checks(checked: Iterable[Checked]) -> str:
    """What failed comes first."""
    order = list(WORDS)
    rows = "".join(map(_row, sorted(checked, key=lambda check: (order.index(check.state), check.asset, check.name))))
    head = "<tr><th>Result</th><th>Check</th><th>Expectation</th><th>Observed</th><th>Last runs: rows failing</th></tr>"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def _row(check: Checked) -> str:
    sample = f"<details><summary>failing rows</summary>{_table(check.sample)}</details>" if check.sample else ""
    history = ", ".join(f'<span title="{html.escape(when)}">{html.escape(rows)}</span>' for when, rows in check.history)
    return (
        f'<tr><td><span class="state {check.state.replace(" ", "-")}">{WORDS[check.state]}</span></td>'
        f"<td><h3>{html.escape(check.name)}</h3><code>{html.escape(check.asset)}</code></td>"
        f"<td>{html.escape(check.expectation)}</td><td>{html.escape(check.observed)}{sample}</td>"
        f'<td class="history">{history}</td></tr>'
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(rows[0]) if rows else []
    head = "".join(f"<th>{html.escape(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(_cell(row.get(column)) for column in columns) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{html.escape('' if value is None else str(value))}</td>"
