// Each figure of the page: its title, its rows as a table, the SQL behind it, and how it is drawn.

const TEXT = "text", MONEY = "money", COUNT = "count", PERCENT = "percent", CHANGE = "change";
const WRITE = {
  [TEXT]: (value) => value, [MONEY]: exact, [COUNT]: counted, [PERCENT]: share, [CHANGE]: signed,
};
const BARS = 10;

const shownFor = (state, side) => state.side === "both" || state.side === side;
const levelTitle = (tree, level) => tree.titles[level];
const plural = { "Organization group": "organization groups", Department: "departments", Program: "programs",
  Character: "characters", Object: "objects", "Sub-object": "sub-objects", "Fund type": "fund types", Fund: "funds",
  "Fund category": "fund categories" };

/** Largest first; what is as large, by name. */
const descending = (of) => (x, y) => (of(y) > of(x) ? 1 : of(y) < of(x) ? -1 : x.name < y.name ? -1 : 1);

/** A figure of the members of a tree, as bars, for one measure. */
function ranking(found, { id, cube, title, side, measure, kind = MONEY, shares = kind === COUNT, keep = () => true, color, note = () => "" }) {
  const { data, state } = found;
  const all = entries(found, cube).filter((entry) => rowsOf(entry, side) > 0 && keep(entry)).sort(descending(measure));
  const money = kind === MONEY, whole = all.reduce((sum, entry) => sum + measure(entry), money ? 0n : 0);
  const shareOf = (entry) => (money ? percent(measure(entry), whole) : whole ? Number(((100 * measure(entry)) / whole).toFixed(2)) : null);
  const drawn = all.filter((entry) => !entry.adjustment).slice(0, BARS);
  const apart = all.filter((entry) => entry.adjustment);
  return {
    id, title, note: [note(all), ...apart.map((entry) => `${entry.name}: ${short(measure(entry))}, shown apart.`)].filter(Boolean).join(" "),
    columns: [[levelTitle(cube.tree, cube.level), TEXT], ["Code", TEXT], [money ? "US dollars" : "Transactions", kind], ["Share", PERCENT]],
    rows: all.map((entry) => [entry.name, entry.code, measure(entry), shareOf(entry)]),
    bars: drawn.map((entry) => ({
      name: entry.name, node: entry.node, tree: cube.tree.name, length: Math.max(0, money ? dollars(measure(entry)) : measure(entry)),
      figure: [shares && share(shareOf(entry)), money && short(measure(entry))].filter(Boolean).join("\u2002"), color,
      told: `${entry.name}: ${money ? full(measure(entry)) : counted(measure(entry)) + " transactions"}, ${share(shareOf(entry))}`,
    })),
    more: all.length - apart.length - drawn.length,
    sql: statement(data, state, {
      by: [column(cube.tree, cube.level), codeColumn(cube.tree, cube.level)], side, order: "3 DESC, 1",
      measures: [money ? "sum(t.amount) AS amount" : "count(*) AS transactions"],
      also: id === "taxes" ? [`strpos(lower(${column(cube.tree, cube.level)}), 'tax') > 0`] : [],
    }),
  };
}

function figures(found) {
  const { data, state, by } = found;
  const of = (cube) => plural[levelTitle(cube.tree, cube.level)];
  const list = [totalsFigure(found), trendFigure(found)];
  if (shownFor(state, "spending"))
    list.push(ranking(found, { id: "who", cube: by.program, title: "Who spends", side: "spending", measure: (e) => e.spending,
      color: "var(--spending)" }));
  if (shownFor(state, "revenue"))
    list.push(ranking(found, { id: "from", cube: by.type, title: "Where the money comes from", side: "revenue",
      measure: (e) => e.revenue, color: "var(--revenue)" }));
  list.push(ranking(found, { id: "share", cube: by.program, title: `Share of transactions, by ${of(by.program).replace(/s$/, "")}`,
    side: state.side, measure: (e) => rowsOf(e, state.side), kind: COUNT, color: "var(--neutral)",
    note: () => "A transaction is a published row: a summary of the accounts, not a payment." }));
  if (shownFor(state, "revenue"))
    list.push(ranking(found, { id: "taxes", cube: found.characters, title: "Taxes as revenue", side: "revenue", measure: (e) => e.revenue,
      keep: (e) => e.name.toLowerCase().includes("tax"), shares: true, color: "var(--revenue)",
      note: (all) => (all.length ? "Characters whose name says that they are taxes." : "No taxes under these filters.") }));
  if (state.side === "both") list.push(netFigure(found));
  if (shownFor(state, "spending"))
    list.push(ranking(found, { id: "funds", cube: by.fund, title: `Top ten ${of(by.fund)} by spending`, side: "spending",
      measure: (e) => e.spending, color: "var(--spending)" }));
  return list;
}

function totalsFigure(found) {
  const { data, state } = found, years = period(data, state), before = periodBefore(data, state);
  const now = Object.fromEntries(data.sides.map((side) => [side, total(found, found.by.program, years, side)]));
  const then = before && Object.fromEntries(data.sides.map((side) => [side, total(found, found.by.program, before, side)]));
  const cards = sidesOf(data, state).map((side) => ({
    name: side, cents: now[side].cents, rows: now[side].rows, adjustments: adjustments(found, years, side).cents,
    change: then && change(now[side].cents, then[side].rows ? then[side].cents : null),
  }));
  const rows = cards.map((card) => [card.name, card.cents, card.adjustments, card.rows, mean(card.cents, card.rows), card.change]);
  if (cards.length === 2) {
    const net = cards[0].cents - cards[1].cents;
    rows.push(["Net", net, cards[0].adjustments - cards[1].adjustments, cards[0].rows + cards[1].rows, null, null]);
    cards.push({ name: "Net", cents: net, rows: null, adjustments: null, change: null });
  }
  return {
    id: "totals", title: "Totals", cards, rows, before,
    columns: [["Side", TEXT], ["US dollars", MONEY], ["Of them transfer adjustments", MONEY], ["Transactions", COUNT], ["Average", MONEY], ["Change", CHANGE]],
    sql: statement(data, state, {
      by: ["f.revenue_or_spending"],
      measures: ["sum(t.amount) AS amount", `sum(CASE WHEN y.character_code IN (${data.transfer_adjustments.map(literal).join(", ")}) THEN t.amount ELSE 0 END) AS transfer_adjustments`,
        "count(*) AS transactions", "CAST(sum(t.amount) / count(*) AS DECIMAL(18, 2)) AS average_amount"] }),
  };
}

function trendFigure(found) {
  const { data, state } = found, sides = sidesOf(data, state), years = period(data, state);
  const points = data.years.flatMap((year) =>
    sides.map((side) => ({ year, side, ...total(found, found.by.program, [year], side) })));
  const byYear = data.years.map((year) => points.filter((point) => point.year === year));
  const closed = (year) => statusOf(data, year) === "closed";
  const lastClosed = data.years.filter(closed).at(-1);
  const open = data.years.filter((year) => !closed(year)).map((year) => `${fiscalYear(year)} ${statusOf(data, year)}`);
  const told = (of) => `${fiscalYear(of[0].year)}, ${statusOf(data, of[0].year)}: ` +
    of.map((point) => `${point.side.toLowerCase()} ${short(point.cents)}`).join(", ");
  return {
    id: "trend", title: "Since " + fiscalYear(data.years[0] ?? data.current_year), points,
    caption: "Revenue and spending by fiscal year" + (crossesChange(data, data.years) ? `; ${fiscalYear(data.change_year)} has a new chart of accounts` : ""),
    note: open.length ? `Dotted lines and hollow points: years that are not closed yet (${open.join(", ")}).` : "",
    columns: [["Fiscal year", TEXT], ["Status", TEXT], ...sides.map((side) => [side, MONEY]), ...(sides.length > 1 ? [["Net", MONEY]] : [])],
    rows: byYear.map((of) => [String(of[0].year), statusOf(data, of[0].year), ...of.map((point) => point.cents),
      ...(of.length > 1 ? [of[0].cents - of[1].cents] : [])]),
    sets: {
      rows: points.map((point) => ({
        year: point.year, side: point.side, dollars: dollars(point.cents), closed: closed(point.year),
        dashed: point.year >= lastClosed && statusOf(data, point.year) !== "in progress", picked: years.length === 1 && years[0] === point.year,
        color: `var(--${point.side.toLowerCase()})`,
      })),
      change: crossesChange(data, data.years) ? [{ at: data.change_year - 0.5, text: `${fiscalYear(data.change_year)}:|new chart|of accounts` }] : [],
      period: years.length && state.span !== "all" ? [{ from: years[0] - 0.5, to: years.at(-1) + 0.5 }] : [],
      years: byYear.map((of) => ({ from: of[0].year - 0.5, to: of[0].year + 0.5, year: of[0].year, told: told(of) })),
    },
    sql: statement(data, state, { by: ["t.fiscal_year"], measures: state.side === "both" ? BOTH : ["sum(t.amount) AS amount"], years: null }),
  };
}

function netFigure(found) {
  const { data, state, by } = found, cube = by.program;
  const all = entries(found, cube).filter((entry) => rowsOf(entry, "both") > 0).sort(descending((e) => e.net));
  const ends = all.length <= BARS + 2 ? all : [...all.slice(0, BARS / 2), ...all.slice(-BARS / 2)];
  return {
    id: "net", title: `Net by ${plural[levelTitle(cube.tree, cube.level)].replace(/s$/, "")}`, more: all.length - ends.length,
    note: "Net is revenue minus spending of the same rows: a difference, not a surplus or a deficit. Most of what the City spends is paid from revenue that is booked elsewhere.",
    columns: [[levelTitle(cube.tree, cube.level), TEXT], ["Code", TEXT], ["Revenue", MONEY], ["Spending", MONEY], ["Net", MONEY]],
    rows: all.map((entry) => [entry.name, entry.code, entry.revenue, entry.spending, entry.net]),
    dots: ends.map((entry) => ({
      name: entry.name, node: entry.node, tree: cube.tree.name, dollars: dollars(entry.net), figure: short(entry.net),
      color: entry.net < 0n ? "var(--spending)" : "var(--revenue)", told: `${entry.name}: net ${full(entry.net)}`,
    })),
    sql: statement(data, state, { by: [column(cube.tree, cube.level), codeColumn(cube.tree, cube.level)], measures: BOTH, side: "both", order: "5 DESC, 1" }),
  };
}

/** The table of the open tab: one row for each member below the path, the total, and transfer adjustments apart. */
function exploreFigure(found) {
  const { data, state } = found, cube = found.by[state.tab], years = period(data, state);
  const amount = (entry) => (state.side === "revenue" ? entry.revenue : entry.spending);
  const all = entries(found, cube).filter((entry) => rowsOf(entry, state.side) > 0);
  const sums = Object.fromEntries(data.sides.map((side) => [side.toLowerCase(), total(found, cube, years, side)]));
  const whole = state.side === "revenue" ? sums.revenue.cents : sums.spending.cents;
  const members = all.map((entry) => ({
    ...entry, amount: amount(entry), rows: rowsOf(entry, state.side), share: percent(amount(entry), whole),
    change: entry.before && change(amount(entry), amount(entry.before)),
  }));
  const descends = state.sort.startsWith("-"), key = state.sort.replace(/^-/, "");
  const value = (entry) => entry[key] ?? -Infinity;
  members.sort((x, y) => {
    if (value(x) === value(y)) return x.name < y.name ? -1 : 1;
    return (value(x) < value(y)) === descends ? 1 : -1;
  });
  const both = state.side === "both", side = both ? null : data.sides.find((each) => each.toLowerCase() === state.side);
  const tree = cube.tree, name = levelTitle(tree, cube.level);
  const measured = both
    ? [["revenue", "Revenue", MONEY], ["spending", "Spending", MONEY], ["net", "Net", MONEY], ["rows", "Transactions", COUNT]]
    : [["amount", side, MONEY], ["share", "Share", PERCENT], ["change", "Change", CHANGE], ["rows", "Transactions", COUNT]];
  const sumRow = both
    ? { revenue: sums.revenue.cents, spending: sums.spending.cents, net: sums.revenue.cents - sums.spending.cents, rows: sums.revenue.rows + sums.spending.rows }
    : { amount: whole, share: null, change: null, rows: sums[state.side].rows };
  const apart = Object.fromEntries(data.sides.map((each) => [each.toLowerCase(), adjustments(found, years, each)]));
  const apartRow = both
    ? { revenue: apart.revenue.cents, spending: apart.spending.cents, net: apart.revenue.cents - apart.spending.cents, rows: apart.revenue.rows + apart.spending.rows }
    : { amount: apart[state.side].cents, share: null, change: null, rows: apart[state.side].rows };
  return {
    id: "explore", title: `Look closer: ${plural[name]}`, tree, level: cube.level, members, measured, sumRow, apartRow, whole,
    columns: [[name, TEXT], ["Code", TEXT], ...measured.map(([, title, kind]) => [title, kind])],
    rows: members.map((entry) => [entry.name, entry.code, ...measured.map(([of]) => entry[of])]),
    sql: statement(data, state, { by: [column(tree, cube.level), codeColumn(tree, cube.level)],
      measures: [...(both ? BOTH : ["sum(t.amount) AS amount"]), "count(*) AS transactions"], order: both ? "4 DESC, 1" : "3 DESC, 1" }),
  };
}
