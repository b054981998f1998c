// The figures: one pass over all rows, under all filters, into sums by fiscal year, side and group.

class Sums {
  constructor(size) {
    this.high = new Float64Array(size);
    this.low = new Float64Array(size);
    this.rows = new Uint32Array(size);
  }
}

/** The groups of a tree one level below its path (of a whole path, the node itself), and the group of each member. */
function groupsOf(tree, path) {
  const level = Math.min(path.length, tree.levels.length - 1);
  const under = (node) => {
    if (path.length > level) return node === path[level];
    return level === 0 || tree.nodes[level].parents[node] === path[level - 1];
  };
  const nodes = [...tree.nodes[level].names.keys()].filter(under);
  const place = new Uint32Array(tree.nodes[level].names.length);
  nodes.forEach((node, i) => (place[node] = i));
  return { tree, level, nodes, groupOf: tree.at[level].map((node) => place[node]) };
}

/** Which members of a tree pass its path, and whether related government units are wanted. */
function allowed(tree, path, related) {
  const pass = new Uint8Array(tree.size).fill(1);
  if (path.length) {
    const at = tree.at[path.length - 1], node = path.at(-1);
    for (let m = 0; m < pass.length; m++) pass[m] = at[m] === node ? 1 : 0;
  }
  const units = tree.attributes.related_govt_units;
  if (units && !related) for (let m = 0; m < pass.length; m++) if (units[m] !== "No") pass[m] = 0;
  return pass;
}

/** All sums of a state. `by` holds a cube for each tree, at the level below its path, and one for the characters. */
function compute(data, state) {
  const [program, type, fund] = data.trees;
  const cells = data.ends.length;
  const cube = (groups) => ({ ...groups, sums: new Sums(groups.nodes.length * cells), cells });
  const by = Object.fromEntries(data.trees.map((tree) => [tree.name, cube(groupsOf(tree, state.paths[tree.name]))]));
  const characters = state.paths.type.length ? cube(groupsOf(type, [])) : null;
  pass(data, cells, [program, type, fund].map((tree) => allowed(tree, state.paths[tree.name], state.related)), by, characters);
  return { data, state, by, characters: characters ?? by.type };
}

function pass(data, cells, [passes, passesType, passesFund], by, characters) {
  const { program: programs, type: types, fund: funds } = data.columns, { high, low, ends } = data;
  const a = by.program.sums, b = by.type.sums, c = by.fund.sums, d = characters?.sums;
  const groupA = by.program.groupOf, groupB = by.type.groupOf, groupC = by.fund.groupOf, groupD = characters?.groupOf;
  let row = 0;
  for (let cell = 0; cell < cells; cell++) {
    for (const end = ends[cell]; row < end; row++) {
      const p = programs[row], t = types[row], f = funds[row];
      if (!(passes[p] & passesType[t] & passesFund[f])) continue;
      const up = high[row], down = low[row];
      let i = groupA[p] * cells + cell;
      a.high[i] += up; a.low[i] += down; a.rows[i]++;
      i = groupB[t] * cells + cell;
      b.high[i] += up; b.low[i] += down; b.rows[i]++;
      i = groupC[f] * cells + cell;
      c.high[i] += up; c.low[i] += down; c.rows[i]++;
      if (d) {
        i = groupD[t] * cells + cell;
        d.high[i] += up; d.low[i] += down; d.rows[i]++;
      }
    }
  }
}

/** Cents and rows of one side in some years, of the groups of a cube that are wanted (all, unless told). */
function total(found, cube, years, side, groups = null) {
  const { data } = found, s = data.sides.indexOf(side);
  let high = 0, low = 0, rows = 0;
  for (const group of groups ?? cube.nodes.keys())
    for (const year of years) {
      const i = group * cube.cells + data.years.indexOf(year) * data.sides.length + s;
      high += cube.sums.high[i]; low += cube.sums.low[i]; rows += cube.sums.rows[i];
    }
  return { cents: BigInt(high) * BigInt(HALF) + BigInt(low), rows };
}

/** One entry for each group of a cube that has rows in the period or, where compared, the one before. */
function entries(found, cube) {
  const { data, state } = found, years = period(data, state), before = periodBefore(data, state);
  const of = (group, list) => {
    const [revenue, spending] = data.sides.map((side) => total(found, cube, list, side, [group]));
    return { revenue: revenue.cents, spending: spending.cents, net: revenue.cents - spending.cents,
      sides: { revenue: revenue.rows, spending: spending.rows } };
  };
  return cube.nodes.map((node, group) => {
    const { names, codes } = cube.tree.nodes[cube.level];
    return { node, name: names[node], code: codes[node], ...of(group, years), before: before && of(group, before),
      adjustment: cube.tree.name === "type" && isAdjustment(data, cube, node) };
  });
}

/** Whether a node of the type tree is a transfer adjustment, by the code of its character. */
function isAdjustment(data, cube, node) {
  const [character] = pathTo(cube.tree, cube.level, node);
  return data.transfer_adjustments.includes(cube.tree.nodes[0].codes[character]);
}

const rowsOf = (entry, side) => (side === "both" ? entry.sides.revenue + entry.sides.spending : entry.sides[side]);

/** Transfer adjustments of one side in some years. */
function adjustments(found, years, side) {
  const cube = found.characters;
  const groups = [...cube.nodes.keys()].filter((group) => isAdjustment(found.data, cube, cube.nodes[group]));
  return total(found, cube, years, side, groups);
}
