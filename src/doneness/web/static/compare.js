// Several runs in one figure: pale trends, evaluations over them, each run in its colour under its letter.
import { data, follow } from "./common.js";
import { Figure, upright } from "./figure.js";
import { chosen, evaluations, ink, trend } from "./marks.js";
import { along } from "./places.js";
import { renewal, swapped } from "./swap.js";

const REST = 2000; // milliseconds between two looks at runs that go on: comparing them anew is work
let found = data("compared"), figure = null;

/** Each run has its own way from steps to the axis; the figure's own unit of width is a step of the longest run. */
function begin() {
  const { axes, last } = measured();
  figure = new Figure({ axes, draw });
  figure.last = last;
  figure.title = found.runs[0].unit;
  figure.redraw();
}

function measured() {
  const runs = found.runs;
  const ends = Object.fromEntries(Object.keys(runs[0].axes).filter((a) => runs.every((r) => r.axes[a])).map((axis) => [
    axis, Math.max(...runs.map((r) => along(r.axes[axis][0], r.axes[axis][1], r.last)))]));
  const last = Math.max(...runs.map((r) => r.last), 1);
  const axes = Object.fromEntries(Object.entries(ends).map(([axis, end]) => [axis, [[0, last], [0, end]]]));
  return { axes, last };
}

/** What came since: the table, the words, and the curves, on the axis and in the stretch that the reader looks at. */
const renew = renewal((page) => {
  swapped(page);
  found = data("compared");
  if (!found) return;
  if (!figure) { location.reload(); return; }
  Object.assign(figure, measured());
  figure.redraw();
}, REST);

function draw(figure) {
  const traces = [], lines = [], labels = [], shapes = [], unit = figure.unit[0];
  const [from, to] = figure.shown.map(figure.place);
  for (const run of found.runs) {
    const [steps, values] = run.axes[figure.axis];
    const place = (step) => along(steps, values, step) * unit;
    const within = (step) => { const x = place(step); return x >= from && x <= to; };
    const name = `${run.letter} ${run.label}`;
    if (run.trend) {
      traces.push(...trend(run.trend, place, name, run.role, true));
      const y = run.trend.y.filter((_, i) => within(run.trend.x[i])).sort((a, b) => a - b);
      if (y.length) lines.push(y[0], y[Math.floor(0.98 * (y.length - 1))]);
    }
    const evals = run.evals.filter((e) => !figure.log || e[1] > 0), near = evals.filter((e) => within(e[0]));
    if (evals.length) {
      traces.push(evaluations(evals, place, name, run.role, run.dash));
      for (const e of near) for (const v of e.slice(1)) if (v !== null) lines.push(v);
      const kept = evals.find((e) => e[0] === run.chosen);
      if (kept) traces.push(chosen(place(run.chosen), kept[1])[0]);
    }
    const end = (near.at(-1) || evals.at(-1))?.[1] ?? run.trend?.y.at(-1);
    const room = figure.holder.clientWidth < 620 ? 0 : 12;
    const text = !room ? run.letter : run.label.length > room ? `${run.letter} ${run.label.slice(0, 11)}…` : name;
    if (end !== undefined) labels.push({ text: text.replace(/[<&]/g, (c) => (c === "<" ? "&lt;" : "&amp;")), role: run.role.replace("-ink", ""), at: end });
  }
  if (found.place !== null && figure.axis === found.axis) shapes.push(upright(found.place * unit, "edge", "dash"));
  const notes = [], tall = Math.min(0.09 * found.runs.length, 0.4);
  const axes = { yaxis2: { domain: [0, tall], range: [-found.runs.length + 0.4, 0.6], showgrid: false, showticklabels: false } };
  found.runs.forEach((run, i) => lane(figure, run, -i, traces, notes, tall * (1 - (i + 0.6) / (found.runs.length + 0.2))));
  return { traces, lines, raw: [], labels, shapes, notes, panels: { loss: tall + 0.04, axes } };
}

const shortened = (word, most) => (word.length > most ? `${word.slice(0, most - 1)}…` : word);

/** Under the panel, a line a run: how far it went, its sweet spot thick, the step to keep as a dot, its verdict. */
function lane(figure, run, y, traces, notes, height) {
  const [steps, values] = run.axes[figure.axis], place = (step) => along(steps, values, step) * figure.unit[0];
  const line = (from, to, width) => ({ type: "scatter", mode: "lines", x: [place(from), place(to)], y: [y, y], yaxis: "y2", showlegend: false, hoverinfo: "skip",
    line: { color: ink(run.role), width, dash: run.dash && width < 3 ? "dash" : "solid" } });
  traces.push(line(0, run.last, 1.4));
  if (run.sweet) traces.push(line(run.sweet[0], run.sweet[1], 6));
  if (run.chosen !== null) traces.push(chosen(place(run.chosen), y, "y2")[1]);
  notes.push({ xref: "paper", yref: "paper", x: 1, xanchor: "left", xshift: 8, y: height, yanchor: "middle", showarrow: false, align: "left",
    text: `${run.letter} ${shortened(run.word, figure.holder.clientWidth < 620 ? 7 : 11)}`, font: { color: ink(run.ink) } });
}

if (found) begin();
const chosenRuns = new Set(new URLSearchParams(location.search).getAll("run"));
const told = (run) => { if (chosenRuns.has(run.id)) renew(); };
if (chosenRuns.size > 1) follow("/api/events", { run: told, gone: told, reset: renew });
