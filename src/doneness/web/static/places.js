// Where things stand: steps on an axis and back, the range of losses to show, marks of an axis, labels kept apart.

/** The value at `x` on the straight lines through (xs, ys), both ascending; beyond the ends at the average rate so far. */
export function along(xs, ys, x) {
  const last = xs.length - 1;
  if (last < 0) return x;
  if (x >= xs[last]) return ys[last] + (x - xs[last]) * (xs[last] ? ys[last] / xs[last] : 0);
  if (x <= xs[0]) return ys[0];
  let low = 0, high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle; else high = middle;
  }
  const share = (x - xs[low]) / (xs[high] - xs[low] || 1);
  return ys[low] + share * (ys[high] - ys[low]);
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))];

/** A range that holds lines and evaluations in full, and raw points short of far outliers; as the report's figure has it. */
export function limits(lines, raw, log) {
  const good = (v) => Number.isFinite(v) && (!log || v > 0);
  const values = lines.filter(good);
  const sorted = raw.filter(good).sort((a, b) => a - b);
  if (sorted.length) {
    const first = quantile(sorted, 0.02), last = quantile(sorted, 0.98), room = 0.25 * (last - first);
    const inside = room > 0 ? sorted.filter((v) => v >= first - room && v <= last + room) : sorted;
    values.push(inside[0], inside.at(-1));
  }
  if (!values.length) return log ? [0.1, 1] : [0, 1];
  let low = values[0], high = values[0];
  for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
  if (log) {
    low = Math.max(low, high * 1e-15);
    const margin = Math.max((high / low) ** 0.05, 1.02);
    return [low / margin, high * margin];
  }
  const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 0.1;
  return [low >= 0 ? Math.max(low - room, 0) : low - room, high + room];
}

/** Round numbers between two ends. */
export function ticks(low, high, log, most = 7) {
  if (log && high / low > 3) {
    const found = [];
    for (const steps of [[1, 2, 5], [1, 3], [1]]) {
      found.length = 0;
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        for (const m of steps) { const v = m * 10 ** power; if (v >= low && v <= high) found.push(v); }
      }
      if (found.length <= most + 1) break;
    }
    if (found.length > 1) return found;
  }
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

/** A number in few digits, with a real minus sign. */
export function short(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(1).replace("e+", "e").replace(".0e", "e")
    : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}

/** Counts as an axis has them: 950, 12k, 4.5M. */
export function compact(value) {
  for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(4))}${unit}`;
  }
  return String(Number(value.toPrecision(4)));
}

/** Places at least `gap` apart, near those wanted and inside the ends, order kept. */
export function apart(wanted, gap, low, high) {
  const order = wanted.map((y, i) => [y, i]).sort((a, b) => a[0] - b[0]);
  let floor = low;
  for (const each of order) { each[0] = Math.max(each[0], floor); floor = each[0] + gap; }
  let ceiling = high;
  for (const each of order.reverse()) { each[0] = Math.min(each[0], ceiling); ceiling = each[0] - gap; }
  const out = [];
  for (const [y, i] of order) out[i] = y;
  return out;
}

/** As many samples as the screen can show between `from` and `to`, by index. */
export function between(xs, from, to) {
  const keep = [];
  for (let i = 0; i < xs.length; i++) if (xs[i] >= from && xs[i] <= to) keep.push(i);
  return keep;
}
