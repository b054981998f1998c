// The SQL behind each figure: what answers the same question in the warehouse.

const literal = (text) => `'${text.replaceAll("'", "''")}'`;
const BOTH = ["sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE 0 END) AS revenue",
  "sum(CASE WHEN f.revenue_or_spending = 'Spending' THEN t.amount ELSE 0 END) AS spending",
  "sum(CASE WHEN f.revenue_or_spending = 'Revenue' THEN t.amount ELSE -t.amount END) AS net"];

/** The column of a tree's level, or of its code, as the warehouse names it. */
const column = (tree, level) => `${tree.alias}.${tree.columns[level]}`;
const codeColumn = (tree, level) => `${tree.alias}.${tree.code_columns[level]}`;

/** The conditions of a state. `years` are the fiscal years meant, null for all; `side` one side of the books, or both. */
function conditions(data, state, years, side) {
  const found = [];
  if (years && years.length === 1) found.push(`t.fiscal_year = ${years[0]}`);
  else if (years) found.push(`t.fiscal_year BETWEEN ${years[0]} AND ${years.at(-1)}`);
  if (!state.related) found.push("p.related_govt_units = 'No'");
  for (const tree of data.trees)
    namesOf(tree, state.paths[tree.name]).forEach((name, level) => found.push(`${column(tree, level)} = ${literal(name)}`));
  if (side !== "both") found.push(`f.revenue_or_spending = ${literal(side === "revenue" ? "Revenue" : "Spending")}`);
  return found;
}

function statement(data, state, { by = [], measures, years = undefined, side = state.side, also = [], order = "1" }) {
  const meant = years === undefined ? (state.span === "all" ? null : period(data, state)) : years;
  const where = [...conditions(data, state, meant, side), ...also];
  return [
    `SELECT\n    ${[...by, ...measures].join(",\n    ")}`,
    `FROM ${data.schema}.transaction AS t`,
    ...[...data.trees, { name: "finance", alias: "f" }].map(
      ({ name, alias }) => `JOIN ${data.schema}.${name} AS ${alias} ON ${alias}.${name}_id = t.${name}_id`),
    ...(where.length ? [`WHERE ${where.join("\n    AND ")}`] : []),
    ...(by.length ? [`GROUP BY ${by.join(", ")}`, `ORDER BY ${order}`] : []),
  ].join("\n");
}
