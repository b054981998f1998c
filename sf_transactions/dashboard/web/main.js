// The page: controls change the state, the state makes the figures.

let data, state, found, shown = {}, open = false;

/** Changes the state, shows it and puts it into the link. */
function go(change, focus = null) {
  state = { ...state, ...change };
  if ("paths" in change || "tab" in change) open = false;
  const link = linkOf(data, state);
  if (link !== location.hash.slice(1)) history.pushState(null, "", link ? `#${link}` : "#");
  render();
  if (focus) byId(focus)?.focus();
}

function restore() {
  const { state: linked, unknown } = stateOf(data, location.hash.slice(1));
  state = linked;
  byId("unknown").hidden = !unknown.length;
  byId("unknown").textContent = `The link names ${unknown.map((name) => `"${name}"`).join(", ")}, which these accounts do not have; it was left out.`;
  render();
}

function render() {
  const started = performance.now();
  found = compute(data, state);
  const list = figures(found), explore = { ...exploreFigure(found), crosses: comparisonCrosses() };
  shown = Object.fromEntries([...list, explore].map((figure) => [figure.id, figure]));
  renderControls();
  renderTotals(shown.totals);
  renderExplore(found, explore, open, go);
  const drawn = CHARTS.map((id) => renderChart(id, shown[id]));
  announce(shown.totals);
  Promise.all(drawn).then(() => {
    document.documentElement.dataset.rendered = String(Number(document.documentElement.dataset.rendered ?? 0) + 1);
    document.documentElement.dataset.milliseconds = (performance.now() - started).toFixed(1);
  });
}

const CHARTS = ["trend", "who", "from", "share", "taxes", "net", "funds"];

function comparisonCrosses() {
  const before = periodBefore(data, state);
  return before !== null && crossesChange(data, [...before, ...period(data, state)]);
}

function renderControls() {
  byId("year").value = state.year;
  byId("year").disabled = state.span === "all";
  for (const [name, value] of [["span", state.span], ["side", state.side]])
    document.querySelector(`input[name="${name}"][value="${value}"]`).checked = true;
  byId("related").checked = state.related;
  byId("exact").checked = state.exact;
  const chips = data.trees.flatMap((tree) => {
    const names = namesOf(tree, state.paths[tree.name]);
    return names.length ? [el("li", {}, el("span", {}, `${tree.title}: ${names.join(" \u203a ")}`),
      el("button", { type: "button", "aria-label": `Remove the filter ${tree.title}: ${names.join(", ")}`,
        onclick: () => go({ paths: { ...state.paths, [tree.name]: [] } }, "panel") }, "\u00d7"))] : [];
  });
  byId("chips").replaceChildren(...chips);
  byId("filters").hidden = !chips.length;
  byId("shown").textContent = periodName(data, state);
  byId("units").textContent = state.related ? "Related government units included" : "Related government units excluded";
  byId("months").textContent = state.span === "all" ? "" : monthsOf(period(data, state));
  byId("status").textContent = statusText();
  document.title = `${periodName(data, state)} \u00b7 San Francisco spending and revenue`;
}

const monthsOf = (years) => (years.length ? `July ${years[0] - 1} to June ${years.at(-1)} \u00b7 ` : "");

function statusText() {
  const years = period(data, state), open_years = years.filter((year) => statusOf(data, year) !== "closed");
  if (!years.length) return "";
  if (!open_years.length) return years.length === 1 ? "Closed" : "All closed";
  if (years.length === 1) return { preliminary: "Preliminary: the books are not closed yet", "in progress": "In progress: the year is not over" }[statusOf(data, years[0])];
  return `Not closed yet: ${open_years.map((year) => `${fiscalYear(year)} ${statusOf(data, year)}`).join(", ")}`;
}

function renderTotals(figure) {
  const compared = figure.before;
  const of = compared && (compared.length > 1 ? `${fiscalYear(compared[0])} to ${fiscalYear(compared.at(-1))}` : fiscalYear(compared[0]));
  byId("cards").replaceChildren(...figure.cards.map((card) => el("div", { class: `card ${card.name.toLowerCase()}` },
    el("dt", {}, card.name),
    el("dd", {},
      el("strong", { "data-cents": String(card.cents) }, short(card.cents)),
      el("span", { class: "exact" }, full(card.cents)),
      card.change === null ? (card.name === "Net" ? el("span", { class: "aside" }, "Revenue minus spending: a difference, not a surplus or a deficit") : null)
        : el("span", { class: "aside" }, `${signed(card.change)} on ${of}`, comparisonCrosses() && el("sup", {}, "\u2020")),
      card.rows !== null && el("span", { class: "aside" }, `${counted(card.rows)} transactions${card.rows ? `, ${short(mean(card.cents, card.rows))} on average` : ""}`)))));
  const adjusted = figure.cards.filter((card) => card.adjustments !== null);
  byId("adjustments").replaceChildren(
    el("strong", {}, "Transfer adjustments: "),
    ...adjusted.flatMap((card, i) => [i ? " and " : "", el("span", { class: "figure", "data-cents": String(card.adjustments), title: full(card.adjustments) }, short(card.adjustments)), ` in ${card.name.toLowerCase()}`]),
    ". They cancel transfers between the City\u2019s own funds that would otherwise count twice; every total here contains them.");
  byId("crosses").hidden = !comparisonCrosses() && !crossesChange(data, period(data, state));
  byId("what-crosses").replaceChildren(...(comparisonCrosses() ? [el("sup", {}, "\u2020"), " The comparison"] : ["The period"]));
}

/** Shows a figure's chart, or hides it where the chosen side has none. */
async function renderChart(id, figure) {
  const section = byId(id);
  section.hidden = !figure;
  if (!figure) return;
  section.querySelector("h2").textContent = figure.title;
  const note = section.querySelector(".note");
  note.textContent = [figure.note, figure.more > 0 ? `${counted(figure.more)} more in the table.` : ""].filter(Boolean).join(" ");
  const details = section.querySelector("details");
  if (details?.open) fillTable(details, figure);
  const chart = byId(`${id}-chart`);
  chart.setAttribute("aria-label", described(figure));
  const sets = figure.sets ?? { rows: figure.bars ?? figure.dots };
  chart.classList.toggle("empty", !sets.rows.length);
  await draw(id, figure.bars ? "bars" : figure.dots ? "net" : "trend", sets, id === "trend"
    ? (datum) => datum.year && go({ year: datum.year, span: state.span === "all" ? "1" : state.span })
    : (datum) => datum.tree && go({ tab: datum.tree, paths: { ...state.paths, [datum.tree]: pathTo(data.treeOf[datum.tree], levelOf(datum.tree), datum.node) } }));
}

const levelOf = (tree) => found.by[tree].level;

function described(figure) {
  if (figure.id === "trend") return `Line chart. ${figure.sets.years.map((year) => year.told).join(". ")}`;
  return `${figure.bars ? "Bar" : "Dot"} chart. ${(figure.bars ?? figure.dots).map((row) => `${row.name} ${row.figure}`).join(", ")}`;
}

const fillTable = (details, figure) => details.querySelector(".table").replaceChildren(tableOf(figure, figure.caption ?? figure.title));

function announce(figure) {
  byId("announced").textContent = `${periodName(data, state)}: ${figure.cards.map((card) => `${card.name} ${short(card.cents)}`).join(", ")}.`;
}

function showSql(figure) {
  byId("sql-title").textContent = `The SQL behind \u201c${figure.title}\u201d`;
  byId("sql-text").textContent = figure.sql;
  byId("sql").showModal();
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (button.textContent = before), 2000);
}

function setUp() {
  byId("year").replaceChildren(...data.years.toReversed().map((year) =>
    el("option", { value: String(year) }, `${fiscalYear(year)} \u00b7 ${statusOf(data, year)}`)));
  byId("year").addEventListener("change", (event) => go({ year: Number(event.target.value) }));
  for (const name of ["span", "side"])
    for (const input of document.querySelectorAll(`input[name=${name}]`)) input.addEventListener("change", () => go({ [name]: input.value }));
  byId("related").addEventListener("change", (event) => go({ related: event.target.checked }));
  byId("exact").addEventListener("change", (event) => go({ exact: event.target.checked }));
  byId("reset").addEventListener("click", () => go(initial(data)));
  byId("share-link").addEventListener("click", (event) => copy(location.href, event.currentTarget));
  byId("explore-more").addEventListener("click", () => { open = true; render(); });
  byId("sql-copy").addEventListener("click", (event) => copy(byId("sql-text").textContent, event.currentTarget));
  byId("sql-close").addEventListener("click", () => byId("sql").close());
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-sql]")) button.addEventListener("click", () => showSql(shown[button.dataset.sql]));
  for (const button of document.querySelectorAll("[data-csv]"))
    button.addEventListener("click", () => download(`sf-${button.dataset.csv}-${periodName(data, state).replaceAll(" ", "-")}.csv`, csvOf(data, state, shown[button.dataset.csv])));
  for (const details of document.querySelectorAll("figure details, section details[data-table]"))
    details.addEventListener("toggle", () => details.open && fillTable(details, shown[details.dataset.table]));
  setUpTabs(data, go);
  setUpSearch(data, (tree, path) => {
    go({ tab: tree.name, paths: { ...state.paths, [tree.name]: path } });
    byId("explore").scrollIntoView();
  });
  window.addEventListener("popstate", restore);
}

async function start() {
  [data] = await Promise.all([loadData(), loadLibrary()]);
  if (!data.rows) {
    byId("loading").textContent = "No fiscal year is loaded yet.";
    document.documentElement.dataset.rendered = "0";
    return;
  }
  setUp();
  byId("loading").remove();
  byId("content").hidden = false;
  restore();
}

start().catch((error) => {
  byId("loading").textContent = `This page could not be shown: ${error.message}. It needs a browser of 2023 or newer.`;
  throw error;
});
