// The blind review: a pair, a key, the next pair. Answers are put in as text; whose they are is known to the server alone.
import { ask, byId, count, plainKey, post, recall, remember, say, tell, typing } from "./common.js";

const holder = byId("review");
const LETTERS = ["i", "o", "e", "l", "s", "w"];
const VOTES = { 1: "1", 2: "2", t: "tie", b: "bad" };

function begin() {
  const api = `/api/run/${encodeURIComponent(holder.dataset.run)}/review`;
  const who = byId("who"), name = byId("name"), fault = byId("fault"), asked = byId("asked"), keys = byId("keys");
  const boxes = [...holder.querySelectorAll("[data-tag]")], votes = [...holder.querySelectorAll("[data-vote]")];
  let reviewer = "", token = "", busy = false;

  const hold = (on) => { busy = on; for (const button of [...votes, byId("undo")]) button.setAttribute("aria-disabled", String(on)); };
  const wrong = (text) => { fault.textContent = text; fault.hidden = !text; };

  function progress(found) {
    byId("count").textContent = say("count", { voted: count(found.voted) });
    const told = Number.isFinite(found.units) && Number.isFinite(found.pairs) && found.pairs > 0;
    if (told) {
      byId("count").textContent += ` · ${say("spread", { units: count(found.units), pairs: count(found.pairs) })}`;
      byId("share").style.width = `${Math.min(100, (100 * found.units) / found.pairs).toFixed(1)}%`;
    }
    const enough = byId("enough");
    const text = found.settled ? say("enough", { headline: found.headline || "" }) : "";
    if (enough.textContent !== text) enough.textContent = text;
    enough.hidden = !text;
  }

  function show(found) {
    if (found.over) { over(found); return; }
    token = found.token;
    byId("prompt").textContent = found.prompt;
    byId("left").textContent = found.left;
    byId("right").textContent = found.right;
    byId("reference").textContent = found.reference || "";
    byId("known").hidden = !found.reference;
    byId("rewrite").value = "";
    byId("better").open = false;
    for (const box of boxes) box.checked = false;
    for (const part of holder.querySelectorAll(".pair-only")) part.hidden = false;
    progress(found);
    asked.hidden = false;
    who.hidden = true;
    byId("prompt").focus({ preventScroll: true });
    if (asked.getBoundingClientRect().top < 0) asked.scrollIntoView({ block: "start" });
  }

  function over(found) {
    token = "";
    asked.hidden = false;
    who.hidden = true;
    for (const part of holder.querySelectorAll(".pair-only")) part.hidden = true;
    progress(found);
    const said = byId("enough");
    said.textContent = say("over", { headline: found.headline || "" });
    said.hidden = false;
  }

  /** One question to the server at a time; what fails changes nothing that is shown. */
  async function send(action, value, then) {
    if (busy) return;
    hold(true);
    wrong("");
    try {
      then(await post(`${api}/${action}`, { reviewer, ...value }));
    } catch (error) {
      wrong(action === "vote" ? say("unsaved", { why: error.message }) : error.message);
    } finally {
      hold(false);
    }
  }

  const vote = (verdict) => {
    if (!token) return;
    const tags = { 1: [], 2: [] };
    for (const box of boxes) if (box.checked) tags[box.dataset.side].push(box.dataset.tag);
    send("vote", { token, vote: verdict, tags, rewrite: byId("rewrite").value.trim() }, (found) => {
      show(found);
      if (found.voted !== undefined) tell(say("saved", { n: count(found.voted) }));
    });
  };
  const undo = () => send("undo", {}, (found) => {
    if (found.none) { tell(say("nothing_undone")); wrong(say("nothing_undone")); return; }
    show(found);
    tell(say("undone"));
  });

  who.addEventListener("submit", (event) => {
    event.preventDefault();
    reviewer = name.value.trim();
    if (!reviewer) return;
    remember("name", reviewer);
    send("next", {}, show);
  });
  for (const button of votes) button.addEventListener("click", () => vote(button.dataset.vote));
  byId("undo").addEventListener("click", undo);
  byId("leave").addEventListener("click", () => { asked.hidden = true; who.hidden = false; token = ""; wrong(""); name.select(); });
  keys.checked = recall("keys") !== "off";
  keys.addEventListener("change", () => remember("keys", keys.checked ? "on" : "off"));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && typing(event) && asked.contains(event.target)) { event.target.blur(); return; }
    if (!keys.checked || asked.hidden || typing(event) || !plainKey(event) || event.repeat) return;
    // Caps Lock changes the letter, not what is meant; Shift does.
    const key = event.key, small = key.toLowerCase(), shift = event.shiftKey;
    if (small in VOTES && !shift) vote(VOTES[small]);
    else if (small === "u" && !shift) undo();
    else if (small === "r" && !shift && token) { byId("better").open = true; byId("rewrite").focus(); }
    else if (LETTERS.includes(small) && key.length === 1 && token) {
      const side = shift ? "2" : "1";
      const box = boxes.filter((each) => each.dataset.side === side)[LETTERS.indexOf(small)];
      box.checked = !box.checked;
      tell(`${box.closest("section").querySelector("h3").textContent}: ${box.closest("label").textContent.trim().slice(2)} ${box.checked ? "✓" : "–"}`);
    } else return;
    event.preventDefault();
  });
  name.value = recall("name");
}

/** The ranking so far, as a table; asked for when somebody wants to see it. */
function standing() {
  const details = byId("stand"), place = byId("stood");
  if (!details) return;
  const run = byId("standing").dataset.run;
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      const found = await ask(`/api/run/${encodeURIComponent(run)}/review/status`);
      place.replaceChildren(paragraph(found.headline, "strong"), table(found.places || []), ...(found.lines || []).map((line) => paragraph(line)));
    } catch (error) {
      place.replaceChildren(paragraph(error.message));
    }
  });
}

function paragraph(text, tag = "span") {
  const p = document.createElement("p"), inner = document.createElement(tag);
  inner.textContent = text;
  p.append(inner);
  return p;
}

function table(places) {
  const made = document.createElement("table"), head = made.createTHead().insertRow();
  for (const key of ["place", "share", "interval", "votes", "tags"]) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = say(key);
    if (["share", "interval", "votes"].includes(key)) th.className = "n";
    head.append(th);
  }
  const body = made.createTBody(), percent = (v) => (100 * v).toFixed(0);
  for (const each of places) {
    const row = body.insertRow(), name = document.createElement("th");
    name.scope = "row";
    name.textContent = each.name;
    row.append(name);
    for (const [text, look] of [[percent(each.share), "n"], [`${percent(each.low)}–${percent(each.high)}`, "n"], [count(each.votes), "n"], [each.tags || "", ""]]) {
      const cell = row.insertCell();
      cell.className = look;
      cell.textContent = text;
    }
  }
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", say("place"));
  scroll.append(made);
  return scroll;
}

if (holder) begin();
standing();
