// The explorer: tabs, breadcrumb, and the table that drills down.

const ROWS_AT_ONCE = 25;

/** `go(change)` changes the state. */
function renderExplore(found, figure, open, go) {
  const { data, state } = found, { tree, level, members, measured } = figure;
  for (const each of data.trees) {
    const tab = byId(`tab-${each.name}`);
    const on = each.name === state.tab;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
  }
  byId("panel").setAttribute("aria-labelledby", `tab-${tree.name}`);
  renderBreadcrumb(state, tree, go);
  byId("explore-count").textContent = `${counted(members.length)} ${plural[levelTitle(tree, level)]}`
    .replace(/^1 (.*)s$/, "1 $1");
  const largest = members.reduce((most, entry) => Math.max(most, ...lengths(state, entry).map(([, length]) => length)), 0);
  const ordinary = members.filter((entry) => !entry.adjustment), apart = members.filter((entry) => entry.adjustment);
  const limit = open ? Infinity : ROWS_AT_ONCE;
  const row = (entry) => memberRow(found, figure, entry, largest, go);
  byId("explore-table").replaceChildren(
    el("table", { class: "members" },
      el("caption", { class: "unseen" }, `${levelTitle(tree, level)}, ${periodName(data, state)}`),
      el("thead", {}, el("tr", {},
        heading(state, "name", levelTitle(tree, level), null, go),
        ...measured.map(([key, title, kind]) => heading(state, key, title, kind, go)))),
      el("tbody", {}, ...ordinary.slice(0, limit).map(row)),
      apart.length > 0 && el("tbody", { class: "apart" },
        el("tr", {}, el("th", { scope: "rowgroup", colspan: String(measured.length + 1) }, "Transfer adjustments, shown apart and in the total")),
        ...apart.map(row)),
      el("tfoot", {},
        sumRow(state, "Total", figure.sumRow, measured),
        tree.name !== "type" && sumRow(state, "Of which transfer adjustments", figure.apartRow, measured, "of-it"))));
  const hidden = ordinary.length - limit;
  byId("explore-more").hidden = !(hidden > 0);
  byId("explore-more").textContent = `Show all ${counted(ordinary.length)} ${plural[levelTitle(tree, level)]}`;
}

/** The bars of an entry, by side: of positive amounts, and none of a transfer adjustment. */
function lengths(state, entry) {
  if (entry.adjustment) return [];
  const sides = state.side === "both" ? ["revenue", "spending"] : [state.side];
  return sides.map((side) => [side, dollars(entry[side])]).filter(([, length]) => length > 0);
}

function renderBreadcrumb(state, tree, go) {
  const path = state.paths[tree.name], names = namesOf(tree, path);
  const step = (text, length) =>
    length === path.length
      ? el("li", {}, el("span", { "aria-current": "page" }, text))
      : el("li", {}, el("button", { type: "button", class: "link", onclick: () => go({ paths: { ...state.paths, [tree.name]: path.slice(0, length) } }) }, text));
  byId("breadcrumb").replaceChildren(step(`All ${plural[levelTitle(tree, 0)]}`, 0), ...names.map((name, i) => step(name, i + 1)));
}

function heading(state, key, title, kind, go) {
  const descends = state.sort === `-${key}`, ascends = state.sort === key;
  const defaulted = state.sort === DEFAULT_SORT && key === (state.side === "both" ? "spending" : "amount");
  const next = descends || defaulted ? key : `-${key}`;
  return el("th", { scope: "col", class: kind ? `number ${key}` : "name", "aria-sort": ascends ? "ascending" : descends || defaulted ? "descending" : null },
    el("button", { type: "button", class: "sort", onclick: () => go({ sort: key === "name" && !ascends ? key : next }, `sort-${key}`), id: `sort-${key}` }, title));
}

function memberRow(found, figure, entry, largest, go) {
  const { state } = found, { tree, level, measured } = figure;
  const path = pathTo(tree, level, entry.node), deeper = state.paths[tree.name].length < path.length;
  const bars = lengths(state, entry);
  return el("tr", {},
    el("th", { scope: "row" },
      deeper ? el("button", { type: "button", class: "link", onclick: () => go({ paths: { ...state.paths, [tree.name]: path } }) }, entry.name) : el("span", {}, entry.name),
      el("span", { class: "code" }, entry.code),
      bars.length > 0 && el("div", { class: "bars", "aria-hidden": "true" }, ...bars.map(([side, length]) => {
        const bar = el("i", { class: side });
        bar.style.width = `${(100 * length) / largest}%`;
        return bar;
      }))),
    ...measured.map(([key, , kind]) => valueCell(state, entry[key], kind, key, figure)));
}

function valueCell(state, value, kind, key, figure) {
  const crosses = kind === CHANGE && value !== null && figure.crosses;
  if (value === null || value === undefined) return el("td", { class: `number ${key}` }, "\u2013");
  if (kind !== MONEY) return el("td", { class: `number ${key}` }, WRITE[kind](value), crosses && el("sup", {}, "\u2020"));
  return el("td", { class: `number ${key}`, title: full(value), "data-cents": String(value) }, state.exact ? exact(value) : short(value));
}

const sumRow = (state, title, sums, measured, kind = "total") =>
  el("tr", { class: kind }, el("th", { scope: "row" }, title), ...measured.map(([key, , of]) => valueCell(state, sums[key], of, key, {})));

function setUpTabs(data, go) {
  const tabs = data.trees.map((tree) => byId(`tab-${tree.name}`));
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => go({ tab: data.trees[i].name }));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (i + step + tabs.length) % tabs.length;
      tabs[next].focus();
      go({ tab: data.trees[next].name });
    });
  });
}
