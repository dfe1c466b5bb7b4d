// What the figure of one run shows: from the page's own data and the points that the server sends.
import { fill } from "./common.js";
import { stretch, texts, upright } from "./figure.js";
import { chosen, evaluations, fan, ink, lane, raw, slim, trend } from "./marks.js";
import { short } from "./places.js";

const inside = ([a, b], step) => step >= a && step <= b;

/** How the height is shared: loss on top, then checkpoints, learning rate and gradient norm where they are logged. */
function panels(has) {
  const axes = {};
  let bottom = 0;
  for (const name of ["grad", "rate"]) {
    if (!has[name]) continue;
    axes[name === "grad" ? "yaxis4" : "yaxis3"] = { domain: [bottom, bottom + 0.11], showgrid: false, rangemode: "tozero", nticks: 2, tickformat: "~g" };
    bottom += 0.145;
  }
  if (has.lane) {
    axes.yaxis2 = { domain: [bottom, bottom + 0.04], range: [-1, 1], showgrid: false, showticklabels: false };
    bottom += 0.115;
  }
  return { loss: bottom, axes };
}

/** Evaluations: those of the page and, of a stretch of a long run, those that the server had in reserve. */
function evaluated(run) {
  if (!run.near?.length) return run.evals;
  return [...new Map([...run.evals, ...run.near].map((e) => [e[0], e])).values()].sort((a, b) => a[0] - b[0]);
}

/** Everything of the run on the axis and in the stretch that `figure` shows now. */
export function draw(figure, run, points) {
  const { place, log } = figure, view = figure.shown;
  const good = (v) => !log || v > 0;
  const seen = (name) => points[name] || { x: [], y: [] };
  const train = seen("train"), rate = seen("rate"), grad = seen("grad");
  const evals = evaluated(run).filter((e) => good(e[1]));
  const has = { lane: run.checkpoints.length > 0 || run.chosen !== null || run.sweet !== null, rate: rate.x.length > 1, grad: grad.x.length > 1 };
  const share = panels(has);
  const traces = [raw(train.x, train.y, texts.train)];
  const lines = [], labels = [], shapes = [], notes = [];
  if (run.trend) {
    traces.push(...trend(run.trend, place, texts.train, "train"));
    run.trend.x.forEach((step, i) => { if (inside(view, step)) lines.push(run.trend.low[i], run.trend.high[i], run.trend.y[i]); });
    labels.push({ text: texts.train, role: "train", at: last(run.trend, view) });
  } else if (train.y.length) labels.push({ text: texts.train, role: "train", at: train.y.at(-1) });
  if (run.fan) {
    traces.push(...fan(run.fan, place));
    run.fan.x.forEach((step, i) => { if (inside(view, step)) lines.push(run.fan.low[i], run.fan.high[i]); });
    if (inside(view, run.fan.x.at(-1))) labels.push({ text: texts.forecast, role: "eval", at: run.fan.y.at(-1) });
  }
  if (evals.length) {
    traces.push(evaluations(evals, place, texts.eval));
    const near = evals.filter((e) => inside(view, e[0]));
    for (const e of near) for (const v of e.slice(1)) if (v !== null && v !== undefined) lines.push(v);
    labels.push({ text: texts.eval, role: "eval", at: (near.at(-1) || evals.at(-1))[1] });
  }
  under(figure, run, share, traces, notes, evals);
  if (has.rate) slimPanel(traces, notes, rate, texts.rate, "y3", share.axes.yaxis3);
  if (has.grad) slimPanel(traces, notes, grad, texts.grad, "y4", share.axes.yaxis4);
  if (run.sweet) shapes.push(sweetSpot(figure, run.sweet, has.lane ? share.axes.yaxis2.domain[0] : share.loss));
  epochs(figure, run, shapes, notes);
  const rows = flags(figure, run, shapes, notes);
  const visible = train.y.filter((_, i) => train.x[i] >= place(view[0]) && train.x[i] <= place(view[1]));
  return { traces, dots: train, lines, raw: visible, labels, shapes, notes, panels: share, top: 26 + 18 * rows };
}

const last = (line, view) => {
  let at = line.y.length - 1;
  while (at > 0 && line.x[at] > view[1]) at--;
  return line.y[at];
};

function under(figure, run, share, traces, notes, evals) {
  const axis = share.axes.yaxis2;
  if (!axis) return;
  traces.push(lane(run.checkpoints.filter((c) => c[0] !== run.chosen), figure.place, "y2"));
  const kept = evals.find((e) => e[0] === run.chosen);
  if (run.chosen !== null) {
    const x = figure.place(run.chosen);
    traces.push(chosen(x, 0, "y2")[1]);
    if (kept) traces.push(...chosen(x, kept[1]));
  }
  const said = [];
  if (run.sweet) said.push(fill(texts[run.sweet[0] === run.sweet[1] ? "sweet_one" : "sweet"], { first: run.sweet[0], last: run.sweet[1] }));
  if (run.chosen !== null) said.push(fill(texts.keep, { step: run.chosen }));
  const at = run.sweet ? (run.sweet[0] + run.sweet[1]) / 2 : run.chosen;
  const [a, b] = figure.shown;
  if (said.length && at >= a && at <= b) {
    const share_x = (figure.place(at) - figure.place(a)) / (figure.place(b) - figure.place(a) || 1);
    notes.push({ xref: "x", yref: "paper", x: figure.place(at), y: axis.domain[0], yanchor: "top", yshift: -2, showarrow: false, text: `<b>${said.join(" · ")}</b>`, bgcolor: ink("paper"),
      xanchor: share_x < 0.3 ? "left" : share_x > 0.7 ? "right" : "center", font: { color: ink("chosen-ink") } });
  }
  if (run.checkpoints.length) beside(notes, axis, texts.checkpoints);
}

function slimPanel(traces, notes, points, name, axis, panel) {
  traces.push(slim(points.x, points.y, name, axis, axis === "y3"));
  // Ends alone: a panel this slim has no room for more numbers.
  const most = Math.max(...points.y.filter(Number.isFinite), 0);
  Object.assign(panel, { tickvals: [0, most], ticktext: ["0", short(Number(most.toPrecision(2)))], range: [0, most * 1.08 || 1] });
  beside(notes, panel, name);
}

const beside = (notes, panel, text) => notes.push({ xref: "paper", yref: "paper", x: 1, xanchor: "left", xshift: 8, y: (panel.domain[0] + panel.domain[1]) / 2,
  yanchor: "middle", showarrow: false, text: text.replace(" ", "<br>"), align: "left", font: { color: ink("muted") } });

function sweetSpot(figure, [first, last], bottom) {
  // One checkpoint alone is a point; it still needs a visible width.
  const [a, b] = figure.shown.map(figure.place), least = (b - a) / 160;
  const middle = (figure.place(first) + figure.place(last)) / 2;
  return stretch(Math.min(figure.place(first), middle - least / 2), Math.max(figure.place(last), middle + least / 2), bottom, "chosen", 0.2);
}

function epochs(figure, run, shapes, notes) {
  const view = figure.shown, shown = run.epochs.filter(([, step]) => inside(view, step));
  if (!shown.length) return;
  // Where not every epoch can have a line, a few that can be named do more than a fence.
  const [a, b] = view.map(figure.place), wide = figure.holder.clientWidth - 150;
  const apart = shown.length > 1 ? (Math.abs(figure.place(shown.at(-1)[1]) - figure.place(shown[0][1])) / (b - a || 1)) * wide / (shown.length - 1) : wide;
  const every = apart >= 70 ? 1 : [2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e4, 1e5].find((n) => n * apart >= 70) || 1e6;
  for (const [k, step] of shown) {
    if (k % every) continue;
    const x = figure.place(step);
    shapes.push(upright(x, "edge"));
    notes.push({ xref: "x", yref: "paper", x, y: 1, xanchor: "right", yanchor: "bottom", showarrow: false, xshift: -3, yshift: 1, text: fill(texts.epoch, { n: k }) });
  }
}

function flags(figure, run, shapes, notes) {
  // One that only gives another reason for the same says nothing new up there; its pole is pale, its words lie below.
  const told = run.flags.map(([step, text, action], i) => [step, text, i === 0 || run.flags[i - 1][2] !== action]);
  const view = figure.shown, shown = told.filter(([step]) => inside(view, step)).slice(-60);
  const wide = figure.holder.clientWidth - 150, taken = [];
  const [a, b] = view.map(figure.place);
  for (const [step, text, turn] of shown) {
    const x = figure.place(step), share = (x - a) / (b - a || 1);
    shapes.push(upright(x, turn ? "ink" : "edge", "dot"));
    if (!turn) continue;
    const left = share > 0.6, size = (text.length * 7.2 + 14) / wide;
    const span = left ? [share - size, share] : [share, share + size];
    let row = 0;
    while (row < 4 && (taken[row] || []).some(([p, q]) => span[0] < q && span[1] > p)) row++;
    if (row === 4) continue;
    (taken[row] ||= []).push(span);
    notes.push({ xref: "x", yref: "paper", x, y: 1, yanchor: "bottom", yshift: 18 + 18 * row, xanchor: left ? "right" : "left", showarrow: false,
      text: left ? `${text} ◂` : `▸ ${text}`, font: { color: ink("ink") } });
  }
  if (figure.mark) {
    const [from, to] = figure.mark;
    if (to > from) shapes.push(stretch(figure.place(from), figure.place(to), 0, "ink", 0.07));
    shapes.push(upright(figure.place(from), "ink", "solid", 1.6));
  }
  return taken.length;
}

