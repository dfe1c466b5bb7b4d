// One run, live: the curve with detail on demand, decisions to read, requests to the trainer, sections as verdicts come.
import { ask, byId, count, data, duration, follow, say, tell } from "./common.js";
import { controls, request } from "./control.js";
import { draw } from "./curve.js";
import { decisions } from "./decided.js";
import { Figure } from "./figure.js";
import { renewal, swapped } from "./swap.js";

const id = location.pathname.split("/")[2];
const api = `/api/run/${encodeURIComponent(id)}`;
const NAMES = ["train", "rate", "grad"];
const POINTS = 1500;
const REST = 120; // milliseconds between two questions
const NEWS = 600; // points that came since the last question, before all is asked for again
const now = { name: "", step: 0 };

let run = data("figure");
let points = {}; // what the server sent for the stretch that is shown, on the axis that is shown
let sent = ""; // for which axis and stretch that was
let news = {}; // points that came since, in steps
let logged = 0; // training points in the stretch that is shown, as the server counts them
let asking = null;
let mended = 0; // when a gap was last asked for
let pause = 0, asked = 0; // a question to be asked; when the last one was wished for
let figure = null;

/** How many points there are and how many of them are drawn, under the figure. */
function counted(shown) {
  const came = Math.max(0, shown - (points.train?.x.length || 0)), all = Math.max(logged + came, shown);
  const said = all ? say(shown < all ? "detail_part" : "detail_all", { n: count(all), shown: count(shown) }) : "";
  if (byId("detail").textContent !== said) byId("detail").textContent = said;
}

/** Whether news begin later than what is known ends: rows that came between the two questions. */
function gap(more) {
  const x = points.train?.x;
  if (!x?.length || figure.view || figure.axis !== "step" || Date.now() - mended < 3000) return false;
  const usual = x.length > 2 ? (x.at(-1) - x[0]) / (x.length - 1) : 1;
  return more.x[0] - (news.train?.x.at(-1) ?? x.at(-1)) > 1.5 * usual + 0.5;
}

/** The points to draw: those of the server and, after them, those that came since. */
function seen() {
  const found = {};
  for (const name of NAMES) {
    const x = points[name]?.x || [], y = points[name]?.y || [], more = news[name];
    const unit = figure.unit[0];
    found[name] = { x: (unit === 1 ? x.slice() : x.map((v) => v * unit)), y: y.slice() };
    const from = found[name].x.at(-1) ?? -Infinity;
    if (more && (!figure.view || figure.view[1] >= more.x[0])) {
      more.x.forEach((step, i) => { const at = figure.place(step); if (at > from) { found[name].x.push(at); found[name].y.push(more.y[i]); } });
    }
  }
  if (sent) counted(found.train.x.length);
  return found;
}

/** Asks for the stretch that is shown; one who moves on and on is waited for, and an older question called back. */
function detail() {
  clearTimeout(pause);
  const rest = Math.max(0, asked + REST - Date.now());
  asked = Date.now();
  if (rest) pause = setTimeout(fetched, rest); else fetched();
}

async function fetched() {
  const axis = figure.axis, query = new URLSearchParams({ axis, points: POINTS });
  for (const name of NAMES) query.append("name", name);
  if (figure.view) {
    const [a, b] = figure.view.map((step) => figure.place(step) / figure.unit[0]), wide = b - a;
    query.set("from", a - wide * 0.02);
    query.set("to", b + wide * 0.02);
    if (run.evals_all > run.evals.length) query.append("name", "judged");
  }
  asking?.abort();
  const mine = (asking = new AbortController());
  const slow = setTimeout(() => { byId("detail").textContent = say("detail_wait"); }, 400);
  try {
    const found = await ask(`${api}/series?${query}`, { signal: mine.signal });
    points = found.series;
    run.near = found.judged;
    sent = query.toString();
    for (const name of NAMES) if (!figure.view) delete news[name];
    logged = found.of?.train ?? points.train?.x.length ?? 0;
    figure.redraw(0);
  } catch (error) {
    if (error.name !== "AbortError") byId("detail").textContent = say("detail_fault", { why: error.message });
  } finally {
    clearTimeout(slow);
    if (asking === mine) asking = null;
  }
}

function begin() {
  if (!run || !byId("plot")) return;
  figure = new Figure({ axes: run.axes, draw: (f) => (sent ? draw(f, run, seen()) : null), moved: detail });
  known();
  detail();
}

/** What the page's own data say of the run, handed to the figure. */
function known() {
  figure.axes = run.axes;
  figure.title = run.unit;
  figure.last = Math.max(run.last, ...run.checkpoints.map((c) => c[0]), run.fan ? run.fan.x.at(-1) : 0, 1);
}

/** The page as the server writes it now. */
function swap(page) {
  swapped(page);
  const bar = page.querySelector("#now .controls");
  if (bar && !document.querySelector("#now .controls")) {
    // A run that was taken up again can be asked again.
    byId("now").append(document.importNode(bar, true));
    if (!byId("control")) {
      byId("main").append(document.importNode(page.getElementById("control"), true));
      controls(api, now);
    }
  }
  for (const item of page.querySelectorAll("#requests li")) {
    const { id, state } = item.dataset, text = item.textContent;
    const old = [...byId("requests").children].find((each) => each.dataset.id === id);
    if (!old || (state !== "asked" && old.textContent !== text)) request({ id, text });
  }
  for (const name of ["curve", "at-why"]) {
    // What was not there at first (a run without a loss, without a decision) comes whole, and once.
    const fresh = page.getElementById(name), old = byId(name);
    if (fresh && old && ((name === "curve" && old.classList.contains("empty") && !fresh.classList.contains("empty")) || (name === "at-why" && !old.children.length && fresh.children.length))) {
      old.replaceWith(document.importNode(fresh, true));
    }
  }
}

const renew = renewal((page) => {
  swap(page);
  run = data("figure");
  if (figure && run) { known(); detail(); } else begin();
  decisions(figure);
});

function pace(row) {
  now.name = row.name;
  now.step = Math.max(row.step, row.state === "live" ? now.step : 0);
  now.total = row.total;
  const find = (name) => byId("pace").querySelector(name);
  find(".state").textContent = say(`state_${row.state}`);
  find(".state").className = `state s-${row.state}`;
  find(".steps").textContent = row.total ? say("of", { step: count(row.step), total: count(row.total) }) : say("at", { step: count(row.step) });
  find(".meter").hidden = !row.total;
  find(".meter > span").style.width = row.total ? `${Math.min(100, (100 * row.step) / row.total).toFixed(1)}%` : "0";
  find(".left").textContent = row.state === "live" && row.seconds_left ? say("left", { time: duration(row.seconds_left) }) : "";
  const bar = document.querySelector(".controls");
  if (bar) bar.hidden = row.state !== "live";
}

let heading = document.querySelector("#top h1")?.textContent;
function judged(found) {
  const row = found.row || found;
  pace(row);
  // Many pages look at one run: they do not all ask for it in the same moment.
  setTimeout(async () => {
    await renew();
    const said = document.querySelector("#top h1")?.textContent;
    if (said && said !== heading) { heading = said; tell(said); }
  }, Math.random() * 400);
}

function tail(found) {
  const lacking = figure && found.series.train?.x.length && gap(found.series.train);
  for (const [name, more] of Object.entries(found.series)) {
    if (!NAMES.includes(name)) continue;
    news[name] ||= { x: [], y: [] };
    news[name].x.push(...more.x);
    news[name].y.push(...more.y);
  }
  const evals = found.series.eval;
  if (evals && run) {
    evals.x.forEach((step, i) => {
      if (!run.evals.some((e) => e[0] === step)) run.evals.push([step, evals.y[i], evals.low?.[i] ?? null, evals.high?.[i] ?? null]);
    });
  }
  const steps = found.series.train?.x || evals?.x || [];
  if (!steps.length) return;
  const last = steps.at(-1);
  now.step = Math.max(now.step, last);
  const said = byId("pace").querySelector(".steps");
  if (now.total) {
    said.textContent = say("of", { step: count(now.step), total: count(now.total) });
    byId("pace").querySelector(".meter > span").style.width = `${Math.min(100, (100 * now.step) / now.total).toFixed(1)}%`;
  } else said.textContent = say("at", { step: count(now.step) });
  if (!figure) { renew(); return; }
  run.last = Math.max(run.last, last);
  known();
  if (lacking) mended = Date.now();
  if (lacking || (news.train?.x.length || 0) > NEWS) detail(); else figure.redraw();
}

/** The folder was moved or deleted: there is nobody left to ask. What was drawn stays; one put back tells of itself. */
function gone() {
  news = {};
  now.step = 0;
  const state = byId("pace").querySelector(".state");
  state.textContent = say("run_gone");
  state.className = "state s-silent";
  byId("pace").querySelector(".left").textContent = "";
  const bar = document.querySelector(".controls");
  if (bar) bar.hidden = true;
  tell(say("run_gone"));
}

const first = data("row");
if (first) { now.name = first.name; now.step = first.step; now.total = first.total; }
begin();
decisions(figure);
controls(api, now);
follow(`${api}/events`, {
  tail,
  verdict: judged,
  control: request,
  gone,
  reset: () => { news = {}; now.step = 0; ask(api).then(judged, renew); },
});
