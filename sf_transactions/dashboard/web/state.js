// What is shown: a plain object, and the link that restores it.

const SPANS = { 1: "1 year", 5: "5 years", all: "All years" };
const SHOWN_SIDES = { both: "Both", spending: "Spending", revenue: "Revenue" };
const DEFAULT_SORT = "-amount";

const initial = (data) => ({
  year: data.default_year, span: "1", side: "both", related: false, tab: data.trees[0].name,
  paths: Object.fromEntries(data.trees.map((tree) => [tree.name, []])), sort: DEFAULT_SORT, exact: false,
});

/** The fiscal years of the period, of those that are loaded. */
function period(data, state) {
  const last = state.year, first = state.span === "all" ? -Infinity : last - (Number(state.span) - 1);
  return state.span === "all" ? data.years : data.years.filter((year) => year >= first && year <= last);
}

/** The period before, of the same length; null unless all of its years are loaded. */
function periodBefore(data, state) {
  if (state.span === "all") return null;
  const length = Number(state.span);
  const wanted = Array.from({ length }, (_, i) => state.year - 2 * length + 1 + i);
  return period(data, state).length === length && wanted.every((year) => data.years.includes(year)) ? wanted : null;
}

const sidesOf = (data, state) =>
  state.side === "both" ? data.sides : data.sides.filter((side) => side.toLowerCase() === state.side);

const crossesChange = (data, years) =>
  years.some((year) => year < data.change_year) && years.some((year) => year >= data.change_year);

const fiscalYear = (year) => `FY${year}`;

function periodName(data, state) {
  const years = period(data, state);
  if (!years.length) return fiscalYear(state.year);
  const [first, last] = [years[0], years.at(-1)];
  return first === last ? fiscalYear(first) : `${fiscalYear(first)} to ${fiscalYear(last)}`;
}

const statusOf = (data, year) =>
  year <= data.closed_to ? "closed" : year < data.current_year ? "preliminary" : "in progress";

function linkOf(data, state) {
  const start = initial(data), query = new URLSearchParams();
  for (const key of ["year", "span", "side", "tab", "sort"])
    if (state[key] !== start[key]) query.set(key, state[key]);
  if (state.related) query.set("related", "include");
  if (state.exact) query.set("amounts", "exact");
  for (const tree of data.trees) for (const name of namesOf(tree, state.paths[tree.name])) query.append(tree.name, name);
  return query.toString();
}

/** The state that a link describes, and the names in it that the data does not have. */
function stateOf(data, link) {
  const state = initial(data), query = new URLSearchParams(link), unknown = [];
  const given = (key, valid, set) => {
    const value = query.get(key);
    if (value === null) return;
    if (valid(value)) set(value);
    else unknown.push(value);
  };
  given("year", (v) => data.years.includes(Number(v)), (v) => (state.year = Number(v)));
  given("span", (v) => Object.hasOwn(SPANS, v), (v) => (state.span = v));
  given("side", (v) => Object.hasOwn(SHOWN_SIDES, v), (v) => (state.side = v));
  given("tab", (v) => Object.hasOwn(data.treeOf, v), (v) => (state.tab = v));
  given("sort", (v) => /^-?(name|amount|revenue|spending|net|share|change|rows)$/.test(v), (v) => (state.sort = v));
  given("related", (v) => v === "include", () => (state.related = true));
  given("amounts", (v) => v === "exact", () => (state.exact = true));
  for (const tree of data.trees) {
    const names = query.getAll(tree.name);
    state.paths[tree.name] = pathOf(tree, names);
    unknown.push(...names.slice(state.paths[tree.name].length));
  }
  return { state, unknown };
}
