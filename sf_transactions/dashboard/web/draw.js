// Charts by Vega-Lite: drawn once, then given new rows.

const views = new Map();
const COLOURS = { ...JSON.parse(byId("theme").textContent), sans: getComputedStyle(document.body).fontFamily };
const coloured = (specification) => JSON.parse(specification.replace(/"@(\w+)"/g, (_, name) => JSON.stringify(COLOURS[name])));
const SPECIFICATIONS = JSON.parse(byId("charts").textContent);

/** The chart library, run as the script whose hash the page's policy allows. */
async function loadLibrary() {
  const code = new TextDecoder().decode(await unpacked("library"));
  document.head.append(el("script", { textContent: code }));
}

const tip = byId("tip");

/** A chart's tooltip: the text of the mark under the pointer. */
function tooltip(_, event, __, value) {
  tip.hidden = !value;
  if (!value) return;
  tip.textContent = typeof value === "string" ? value : Object.values(value).join(" ");
  const { innerWidth, scrollX, scrollY } = window, { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${scrollX + Math.max(8, Math.min(event.clientX + 12, innerWidth - width - 8))}px`;
  tip.style.top = `${scrollY + Math.max(8, event.clientY - height - 12)}px`;
}

/** Draws a chart of a kind into its element, or gives the one that is there new rows. */
async function draw(id, kind, sets, picked) {
  const view = views.get(id);
  if (view) {
    for (const [name, rows] of Object.entries(sets)) view.data(name, rows);
    await view.runAsync();
    return;
  }
  const specification = { ...coloured(SPECIFICATIONS[kind]), datasets: sets, width: "container", config: coloured(SPECIFICATIONS.config) };
  const { view: made } = await vegaEmbed(byId(`${id}-chart`), specification,
    { actions: false, ast: true, defaultStyle: false, renderer: "svg", logLevel: 1, tooltip });
  made.addEventListener("click", (_, item) => item?.datum && picked(item.datum));
  views.set(id, made);
}
