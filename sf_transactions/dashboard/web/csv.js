// Files of what is on screen: exact, and safe to open in a spreadsheet.

/** A text as a cell: a spreadsheet takes one that begins like a formula as text. */
function cell(value, kind) {
  if (value === null || value === undefined) return "";
  let text = kind === MONEY ? decimal(value) : String(value);
  if (kind === TEXT && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A figure as CSV (RFC 4180). The first columns say what is shown, so that a file explains itself. */
function csvOf(data, state, figure) {
  const path = data.trees.map((tree) => [tree.title, namesOf(tree, state.paths[tree.name]).join(" > ")]);
  const about = [["Fiscal years", figure.id === "trend" ? "" : periodName(data, state)], ["Related government units", state.related ? "included" : "excluded"], ...path, ["Data as of", data.as_of ?? ""]]
    .filter(([, value]) => value);
  const lines = [[...about.map(([title]) => title), ...figure.columns.map(([title]) => title)].map((title) => cell(title, TEXT))];
  for (const row of figure.rows)
    lines.push([...about.map(([, value]) => cell(value, TEXT)), ...row.map((value, i) => cell(value, figure.columns[i][1]))]);
  return lines.map((line) => line.join(",") + "\r\n").join("");
}

function download(name, text) {
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
