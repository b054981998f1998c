// Elements are made of names and texts, never of HTML: a program called <script> is a text.

const byId = (id) => document.getElementById(id);

function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class" || key === "for" || key === "role" || key === "scope" || key === "colspan" || key.includes("-"))
      element.setAttribute(key, value === true ? "" : value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A table of a figure's rows. */
function tableOf(figure, caption) {
  const numeric = (kind) => (kind === TEXT ? null : "number");
  return el("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": `${caption}, as a table` },
    el("table", {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, ...figure.columns.map(([title, kind]) => el("th", { scope: "col", class: numeric(kind) }, title)))),
      el("tbody", {}, ...figure.rows.map((row) => el("tr", {}, ...row.map((value, i) => {
        const kind = figure.columns[i][1], text = value === null ? "\u2013" : WRITE[kind](value);
        return i === 0 ? el("th", { scope: "row" }, text) : el("td", { class: numeric(kind) }, text);
      }))))));
}
