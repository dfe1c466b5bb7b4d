// The report's marks as plotly's traces: raw points pale, trend and band over them, evaluations with intervals, the fan.

const colours = new Map();
/** A colour of the palette by its role, as the theme has it now. */
export function ink(role) {
  if (!colours.has(role)) colours.set(role, getComputedStyle(document.documentElement).getPropertyValue(`--${role}`).trim());
  return colours.get(role);
}
export const repaint = () => colours.clear();

/** A colour of the palette, see-through. */
export function wash(role, share) {
  const hex = ink(role).slice(1);
  const [r, g, b] = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${r},${g},${b},${share})`;
}

const none = { hoverinfo: "skip", showlegend: false };

/** Raw points for plotly to point at; `dots` draws them, as an element for each would take half a second. */
export const raw = (x, y, name) => ({ type: "scatter", mode: "none", x, y, name, showlegend: false, hovertemplate: "%{y:.4g}<extra>" + name + "</extra>" });

/** Round dots in one path below the lines: a stroke of no length each, as the report draws them. */
export function dots(box, { x, y }, role = "train") {
  const panel = box.querySelector(".subplot.xy .scatterlayer")?.parentNode, { xaxis, yaxis } = box._fullLayout;
  if (!panel) return;
  let path = panel.querySelector("path.dots"), d = "", n = 0;
  if (!path) {
    path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", "dots");
  }
  if (panel.firstChild !== path) panel.prepend(path);
  for (let i = 0; i < x.length; i++) {
    const across = xaxis.c2p(x[i]), down = y[i] === null ? NaN : yaxis.c2p(y[i]);
    if (!(across >= 0 && across <= xaxis._length && down >= 0 && down <= yaxis._length)) continue;
    d += `M${across.toFixed(1)} ${down.toFixed(1)}h0`;
    n++;
  }
  const dense = n > 400;
  const look = { d, fill: "none", stroke: ink(role), "stroke-linecap": "round", "stroke-width": dense ? 2.6 : 3.6, opacity: dense ? 0.32 : 0.5 };
  for (const [name, value] of Object.entries(look)) path.setAttribute(name, value);
}

/** A line with its band, in the pieces that it is drawn without interruption. */
export function trend(line, place, name, role, pale = false) {
  const found = [];
  for (const [a, b] of line.pieces) {
    const x = line.x.slice(a, b).map(place);
    if (line.low && !pale) found.push(...band(x, line.low.slice(a, b), line.high.slice(a, b), wash(role, 0.22)));
    found.push({ type: "scatter", mode: "lines", x, y: line.y.slice(a, b), name, showlegend: false, opacity: pale ? 0.45 : 1,
      line: { color: ink(role), width: pale ? 1.4 : 2.2, shape: "linear" },
      hovertemplate: "%{y:.4g}<extra>" + name + "</extra>" });
  }
  return found;
}

export function band(x, low, high, fill, edge = null) {
  const line = edge ? { color: edge, width: 1, dash: "dot" } : { width: 0 };
  return [
    { type: "scatter", mode: "lines", x, y: low, line, ...none },
    { type: "scatter", mode: "lines", x, y: high, line, fill: "tonexty", fillcolor: fill, ...none },
  ];
}

export function evaluations(rows, place, name, role = "eval", dash = false) {
  const bars = rows.some((e) => e[2] !== null && e[2] !== undefined);
  return { type: "scatter", mode: "lines+markers", x: rows.map((e) => place(e[0])), y: rows.map((e) => e[1]), name, showlegend: false,
    customdata: rows.map((e) => e[0]), cliponaxis: true,
    line: { color: ink(role), width: 1.1, dash: dash ? "dash" : "solid" }, marker: { color: ink(role), size: 6.5 },
    error_y: bars ? { type: "data", symmetric: false, array: rows.map((e) => (e[3] ?? e[1]) - e[1]), arrayminus: rows.map((e) => e[1] - (e[2] ?? e[1])),
      color: ink(role), thickness: 1.2, width: 0 } : { visible: false },
    hovertemplate: "%{y:.4f}<extra>" + name + " · %{customdata:,}</extra>" };
}

export function fan(line, place) {
  const x = line.x.map(place);
  return [
    ...band(x, line.low, line.high, wash("eval", 0.12), ink("eval")),
    { type: "scatter", mode: "lines", x, y: line.y, line: { color: ink("eval"), width: 1.6, dash: "dash" }, ...none },
  ];
}

/** The checkpoint to keep: a point filled and ringed. */
export function chosen(x, y, axis = "y") {
  const at = { type: "scatter", mode: "markers", x: [x], y: [y], yaxis: axis, cliponaxis: false, ...none };
  return [
    { ...at, marker: { size: 18, color: "rgba(0,0,0,0)", line: { color: ink("chosen"), width: 1.6 } } },
    { ...at, marker: { size: 11, color: ink("chosen") } },
  ];
}

/** Checkpoints as ticks on a line of their own, hollow where they were deleted. */
export function lane(rows, place, axis) {
  return { type: "scatter", mode: "markers", x: rows.map((c) => place(c[0])), y: rows.map(() => 0), yaxis: axis, customdata: rows.map((c) => c[0]),
    showlegend: false, cliponaxis: true, hovertemplate: "%{customdata:,}<extra></extra>",
    marker: { symbol: rows.map((c) => (c[1] ? "square" : "square-open")), size: 6, color: rows.map((c) => ink(c[1] ? "ink" : "muted")), line: { width: 1 } } };
}

export function slim(x, y, name, axis, filled) {
  return { type: "scatter", mode: "lines", x, y, name, yaxis: axis, showlegend: false, line: { color: ink("muted"), width: 1.3 },
    fill: filled ? "tozeroy" : "none", fillcolor: wash("muted", 0.18), hovertemplate: "%{y:.3g}<extra>" + name + "</extra>" };
}
