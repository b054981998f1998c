// What the page carries: every fact row as columns, the names as trees. See payload.py, which writes it.

const WRITTEN = { 0xa1: 0x00, 0xa2: 0x0d, 0xa3: 0x3c };
const HALF = 4294967296;

/** Text of seven bits a character as bytes. */
function bytesOf(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 7) / 8));
  let held = 0, bits = 0, at = 0;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code > 0x7f) code = WRITTEN[code];
    held = (held << 7) | code;
    bits += 7;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
      held &= (1 << bits) - 1;
    }
  }
  return bytes;
}

/** What stands compressed in an element of the page, which is then emptied. */
async function unpacked(id) {
  const element = document.getElementById(id);
  const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  element.remove();
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function loadData() {
  const bytes = await unpacked("facts");
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const { rows, widths } = header;
  let position = 4 + length;
  const planes = (name) =>
    Array.from({ length: widths[name] }, () => bytes.subarray(position, (position += rows)));

  const starts = new Uint8Array(rows);
  const ends = [];
  let end = 0;
  for (const count of header.rows_of) {
    if (count) starts[end] = 1;
    ends.push((end += count));
  }
  const columns = {};
  for (const name of Object.keys(header.hierarchies)) columns[name] = members(planes(name), starts, rows);
  const amounts = cents(planes("amount"), rows);
  const trees = Object.entries(header.hierarchies).map(([name, found]) => tree(name, found, header));
  return { ...header, ends, columns, ...amounts, trees, treeOf: Object.fromEntries(trees.map((t) => [t.name, t])) };
}

/** Members from their steps; `starts` marks where one stands for itself, and learns where the next column's do. */
function members(planes, starts, rows) {
  const column = new (planes.length > 2 ? Uint32Array : Uint16Array)(rows);
  let before = 0;
  for (let row = 0; row < rows; row++) {
    let step = 0;
    for (let k = planes.length - 1; k >= 0; k--) step = step * 256 + planes[k][row];
    if (starts[row]) before = step;
    else if (step) {
      before += step;
      starts[row] = 1;
    }
    column[row] = before;
  }
  return column;
}

/** Cents in two halves, high * 2^32 + low: sums of up to 2^21 of either are exact in a number. */
function cents(planes, rows) {
  const low = new Uint32Array(rows), high = new Int32Array(rows);
  const plane = (k) => planes[k] ?? new Uint8Array(rows);
  const all = Array.from({ length: 8 }, (_, k) => plane(k));
  const [a, b, c, d, e, f, g, h] = all;
  for (let row = 0; row < rows; row++) {
    const lower = a[row] | (b[row] << 8) | (c[row] << 16) | (d[row] << 24);
    const upper = e[row] | (f[row] << 8) | (g[row] << 16) | (h[row] << 24);
    const negative = -(lower & 1);
    low[row] = ((lower >>> 1) | (upper << 31)) ^ negative;
    high[row] = (upper >>> 1) ^ negative;
  }
  return { low, high };
}

/** A hierarchy: for each level its nodes and, by member, the node that the member belongs to. */
function tree(name, found, header) {
  const { levels, nodes, members, attributes } = found;
  const at = new Array(levels.length);
  at[levels.length - 1] = Uint32Array.from(members);
  for (let level = levels.length - 2; level >= 0; level--)
    at[level] = at[level + 1].map((node) => nodes[level + 1].parents[node]);
  return { name, ...header.about[name], levels, nodes, at, attributes, size: members.length };
}

/** The path down to a node of a level: the nodes from the top. */
function pathTo(tree, level, node) {
  const path = [node];
  for (let l = level; l > 0; l--) path.unshift(tree.nodes[l].parents[path[0]]);
  return path;
}

const namesOf = (tree, path) => path.map((node, level) => tree.nodes[level].names[node]);

/** The path that carries these names from the top, as far as they are known. */
function pathOf(tree, names) {
  const path = [];
  for (const [level, name] of names.slice(0, tree.levels.length).entries()) {
    const { names: known, parents } = tree.nodes[level];
    const node = known.findIndex((each, i) => each === name && (level === 0 || parents[i] === path[level - 1]));
    if (node < 0) break;
    path.push(node);
  }
  return path;
}
