// Money is whole cents as BigInt, exact at any size. Numbers only ever place a mark on a chart.

const UNITS = [["B", 100_000_000_000n], ["M", 100_000_000n], ["K", 100_000n]];
const MINUS = "\u2212";

const abs = (cents) => (cents < 0n ? -cents : cents);
const grouped = (whole) => whole.toString().replace(/\B(?=(\d{3})+$)/g, ",");
const counted = (rows) => grouped(BigInt(rows));

/** 1883018413121n -> "18,830,184,131.21" */
function exact(cents) {
  const size = abs(cents);
  return (cents < 0n ? MINUS : "") + grouped(size / 100n) + "." + (size % 100n).toString().padStart(2, "0");
}

/** The same with the dollar sign, after the sign: "\u2212$4.20". */
const full = (cents) => (cents < 0n ? MINUS : "") + "$" + exact(abs(cents));

/** 1883018413121n -> "18830184131.21", as a file takes it. */
const decimal = (cents) => exact(cents).replaceAll(",", "").replace(MINUS, "-");

/** 1883018413121n -> "$18.83B", rounded half away from zero. */
function short(cents) {
  const size = abs(cents), sign = (cents < 0n ? MINUS : "") + "$";
  let shown = null;
  for (const [unit, cents_of] of UNITS.toReversed()) {
    const hundredths = (size * 100n + cents_of / 2n) / cents_of;
    if (hundredths >= 100n) shown = sign + grouped(hundredths / 100n) + "." + (hundredths % 100n).toString().padStart(2, "0") + unit;
  }
  return shown ?? sign + exact(size);
}

/** Cents a row, rounded half away from zero. */
function mean(cents, rows) {
  if (!rows) return null;
  const count = BigInt(rows), size = (2n * abs(cents) + count) / (2n * count);
  return cents < 0n ? -size : size;
}

const dollars = (cents) => Number(cents) / 100;

/** What percentage of `whole` is `part`, or null where a percentage says nothing. */
function percent(part, whole) {
  if (whole <= 0n || part < 0n) return null;
  return Number((part * 10000n) / whole) / 100;
}

/** The change from `before`, in percent of its size, or null where there is nothing to compare with. */
function change(now, before) {
  if (before === null || before === 0n) return null;
  return Number(((now - before) * 10000n) / abs(before)) / 100;
}

function signed(value) {
  if (value === null) return "\u2013";
  const size = Math.abs(value);
  const text = size >= 1000 ? ">999" : size.toFixed(1);
  return (value > 0 ? "+" : value < 0 ? MINUS : "") + text + "%";
}

const share = (value) => (value === null ? "\u2013" : value.toFixed(1) + "%");
