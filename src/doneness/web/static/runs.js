// Sorts, filters and groups the list of runs, and keeps its rows as the server tells of them.
import { ask, byId, count, duration, follow, plainKey, recall, remember, say, tell, typing } from "./common.js";

const body = byId("rows");
const form = byId("runs");
const table = form.querySelector("table");
const tools = { find: byId("find"), state: byId("state"), verdict: byId("verdict"), sort: byId("sort"), group: byId("group") };
const heading = byId("heading");
const known = new Map(); // id → {row element, keys, text, fields}
let back = false; // the order turned round
let fields = null; // id → recipe fields, asked for when the first grouping is

const GRAVE = ["broken", "diverged", "overfitting", "memorising", "undecided", "learning", "converged"];
const far = (value) => (value === null || value === undefined ? Infinity : value);
// Each gives the numbers or texts to compare by, the first of which that differs decides; what is unknown comes last.
const ORDERS = {
  activity: (k) => [k.state === "live" ? 0 : 1, -(k.updated || 0)],
  name: (k) => [k.name],
  verdict: (k) => [GRAVE.indexOf(k.verdict)],
  progress: (k) => [k.total ? -k.step / k.total : 1, -k.step],
  left: (k) => [far(k.seconds_left)],
  gain: (k) => [k.gain === null || k.gain === undefined ? Infinity : -k.gain],
  keep: (k) => [far(k.keep)],
};

function learn(row) {
  const keys = JSON.parse(row.dataset.keys);
  const link = row.querySelector("a");
  keys.name = link.textContent;
  known.set(row.dataset.id, { row, keys, text: row.textContent.toLowerCase() });
}

function compared(order, a, b) {
  const left = order(a.keys), right = order(b.keys);
  for (let i = 0; i < left.length; i++) {
    if (left[i] === right[i]) continue;
    const way = typeof left[i] === "string" ? left[i].localeCompare(right[i], undefined, { numeric: true }) : left[i] - right[i];
    if (way) return way;
  }
  return a.keys.name.localeCompare(b.keys.name, undefined, { numeric: true });
}

function matches(each) {
  const words = tools.find.value.toLowerCase().split(/\s+/).filter(Boolean);
  return (!tools.state.value || each.keys.state === tools.state.value)
    && (!tools.verdict.value || each.keys.verdict === tools.verdict.value)
    && words.every((word) => each.text.includes(word));
}

function groupRow(text) {
  const row = document.createElement("tr");
  row.className = "group";
  row.setAttribute("role", "row");
  const head = document.createElement("th");
  head.setAttribute("role", "rowheader");
  head.setAttribute("scope", "rowgroup");
  head.textContent = text;
  row.append(head);
  return row;
}

function arrange() {
  const held = document.activeElement;
  const order = ORDERS[tools.sort.value] || ORDERS.activity;
  const all = [...known.values()];
  all.sort((a, b) => (back ? -1 : 1) * compared(order, a, b));
  const shown = all.filter(matches);
  const field = tools.group.value;
  const rows = [];
  if (field && fields) {
    const groups = new Map();
    for (const each of shown) {
      const value = fields.get(each.row.dataset.id)?.[field] ?? say("unnamed");
      if (!groups.has(value)) groups.set(value, []);
      groups.get(value).push(each.row);
    }
    const names = [...groups.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
    for (const value of names) rows.push(groupRow(say("group", { field, value, n: count(groups.get(value).length) })), ...groups.get(value));
  } else {
    for (const each of shown) rows.push(each.row);
  }
  body.replaceChildren(...rows);
  table.hidden = !shown.length;
  byId("nomatch").hidden = Boolean(shown.length) || !all.length;
  byId("none").hidden = Boolean(all.length);
  const n = count(all.length);
  heading.textContent = say("heading", { n, root: heading.dataset.root });
  if (shown.length < all.length) heading.textContent = `${heading.textContent} · ${say("shown", { shown: count(shown.length), n })}`;
  for (const button of form.querySelectorAll("[data-sort]")) {
    const head = button.closest("th");
    if (button.dataset.sort === tools.sort.value) head.setAttribute("aria-sort", back ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  if (held instanceof HTMLElement && held.isConnected && held !== document.activeElement) held.focus({ preventScroll: true });
}

function sparkline(svg, points) {
  const path = svg.querySelector("path");
  svg.querySelector("circle")?.remove();
  const seen = points.filter(([x, y]) => x !== null && y !== null);
  if (seen.length < 2) { path.setAttribute("d", ""); return; }
  const left = seen[0][0], width = Math.max(seen.at(-1)[0] - left, 1e-9);
  const low = Math.min(...seen.map((p) => p[1])), span = Math.max(...seen.map((p) => p[1])) - low || 1;
  const at = seen.map(([x, y]) => [(2 + ((x - left) / width) * 108).toFixed(1), (26 - ((y - low) / span) * 22).toFixed(1)]);
  path.setAttribute("d", `M${at.map((p) => p.join(" ")).join("L")}`);
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  for (const [name, value] of [["cx", at.at(-1)[0]], ["cy", at.at(-1)[1]], ["r", 2.4], ["class", "f-train"]]) dot.setAttribute(name, value);
  svg.append(dot);
}

/** The place, without an end that only says the name again. */
function folder(place, name) {
  const cut = place.lastIndexOf("/"), last = place.slice(cut + 1);
  return [name, ...[".json", ".jsonl", ".csv", ".log", ".txt"].map((end) => name + end)].includes(last) ? place.slice(0, Math.max(cut, 0)) : place;
}

/** Writes what the server says of a run into its row, a new one where it has none. */
function write(run) {
  const row = known.get(run.id)?.row || byId("row").content.firstElementChild.cloneNode(true);
  const find = (name) => row.querySelector(name);
  row.dataset.id = run.id;
  const box = find("input");
  box.value = run.id;
  box.setAttribute("aria-label", say("choose", { name: run.name }));
  find("a").href = `/run/${encodeURIComponent(run.id)}`;
  find("a").textContent = run.name;
  find("th small").textContent = [run.tool, folder(run.place, run.name)].filter(Boolean).join(" · ");
  find(".word").textContent = run.word;
  find(".word").className = `word v-${run.verdict}`;
  find(".state").textContent = say(`state_${run.state}`);
  find(".state").className = `state s-${run.state}`;
  sparkline(find(".spark svg"), run.spark || []);
  const { step, total } = run;
  find(".steps").textContent = total ? say("of", { step: count(step), total: count(total) }) : count(step);
  let meter = find(".meter");
  if (total && !meter) {
    meter = document.createElement("span");
    meter.className = "meter";
    meter.setAttribute("aria-hidden", "true");
    meter.append(document.createElement("span"));
    find(".steps").after(meter);
  }
  if (meter) { meter.hidden = !total; meter.firstElementChild.style.width = total ? `${Math.min(100, (100 * step) / total).toFixed(1)}%` : "0"; }
  find(".left").textContent = run.state === "live" && run.seconds_left ? say("left", { time: duration(run.seconds_left) }) : "";
  const spot = run.sweet;
  find(".c-sweet").textContent = !spot ? "–" : spot[0] === spot[1] ? count(spot[0]) : say("range", { low: count(spot[0]), high: count(spot[1]) });
  find(".c-keep").textContent = count(run.keep);
  find(".c-gain").textContent = run.gain_text || "–";
  const { updated, verdict, state, seconds_left, gain, keep } = run;
  const before = known.get(run.id)?.keys;
  row.dataset.keys = JSON.stringify({ updated, verdict, state, step, total, seconds_left, gain, keep });
  if (fields) fields.set(run.id, run.fields || {});
  learn(row);
  return !before || before.state !== state || before.verdict !== verdict;
}

// Many runs may tell of themselves at once; the list is put in order once a moment, not once each.
const news = new Map();
let due = 0;
function soon() {
  due ||= setTimeout(() => {
    due = 0;
    let moved = false;
    for (const [id, run] of news) moved = (run ? write(run) : known.delete(id)) || moved;
    news.clear();
    // Numbers change in their place; only what came, went or reads otherwise now moves rows under the reader's eyes.
    if (moved) arrange();
  }, 250);
}

/** Fields to group by that were not known when the page was written. */
function offer(groups) {
  const there = new Set([...tools.group.options].map((option) => option.value));
  for (const name of groups || []) if (!there.has(name)) tools.group.append(new Option(name, name));
}

/** The whole list anew: after too much was missed, and until the folder has been looked through once. */
async function refresh() {
  try {
    const found = await ask("/api/runs"), there = new Set(found.runs.map((run) => run.id));
    for (const run of found.runs) news.set(run.id, run);
    for (const id of known.keys()) if (!there.has(id)) news.set(id, null);
    soon();
    offer(found.groups);
    byId("scanning").hidden = !found.scanning;
    if (found.scanning) setTimeout(refresh, 3000);
  } catch {
    setTimeout(refresh, 5000);
  }
}

async function byField() {
  if (tools.group.value && !fields) {
    try {
      const found = await ask("/api/runs");
      fields = new Map(found.runs.map((run) => [run.id, run.fields || {}]));
    } catch (error) {
      tell(error.message);
    }
  }
  arrange();
}

for (const row of body.children) learn(row);
for (const name of ["state", "verdict"]) tools[name].addEventListener("change", arrange);
tools.sort.addEventListener("change", () => { back = false; remember("sort", tools.sort.value); arrange(); });
tools.group.addEventListener("change", byField);
let pause = 0;
tools.find.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(arrange, 80); });
form.addEventListener("click", (event) => {
  const by = event.target instanceof Element && event.target.closest("[data-sort]")?.dataset.sort;
  if (!by) return;
  back = tools.sort.value === by && !back;
  tools.sort.value = by;
  arrange();
});
form.addEventListener("submit", (event) => {
  if (form.querySelectorAll("input[name=run]:checked").length > 1) return;
  event.preventDefault();
  tell(say("few"));
  byId("few").hidden = false;
});
form.addEventListener("keydown", (event) => {
  // Enter in the field of the search must not begin a comparison.
  if (event.key === "Enter" && event.target === tools.find) event.preventDefault();
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && plainKey(event) && !typing(event)) { event.preventDefault(); tools.find.focus(); }
});

const last = recall("sort");
if (ORDERS[last]) tools.sort.value = last;
if (tools.find.value || tools.state.value || tools.verdict.value || tools.sort.value !== "activity") arrange();
if (tools.group.value) byField();
follow("/api/events", {
  run: (run) => { news.set(run.id, run); soon(); },
  gone: (run) => { news.set(run.id, null); soon(); },
  reset: refresh,
});
if (!byId("scanning").hidden) setTimeout(refresh, 2000);
