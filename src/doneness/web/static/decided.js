// The decisions of a run: each a flag to choose, with its reason; and "why did it not stop at step N".
import { byId, count, data, say } from "./common.js";

let figure = null;

function choose(button) {
  const list = byId("flags");
  const on = button.getAttribute("aria-pressed") !== "true";
  for (const other of list.querySelectorAll(".flag")) other.removeAttribute("aria-pressed");
  if (on) button.setAttribute("aria-pressed", "true");
  const { step, last } = button.dataset;
  const reason = byId(button.getAttribute("aria-describedby"));
  byId("reason").replaceChildren(...[...reason.childNodes].map((node) => node.cloneNode(true)));
  if (figure) {
    figure.mark = on ? [Number(step), Number(last)] : null;
    figure.redraw();
  }
}

function why(event) {
  event.preventDefault();
  const n = Number(byId("why-step").value), all = data("decided") || [];
  let found = null;
  for (const each of all) if (each[0] <= n && (!found || each[0] >= found[0])) found = each;
  const said = byId("why-said");
  if (!found) { said.textContent = say("why_none", { n: count(n) }); return; }
  const [step, action, verdict, reason] = found;
  said.textContent = say(step === n ? "why_at" : "why_last", { n: count(n), step: count(step), action, verdict, reason });
  if (figure) {
    figure.mark = [step, step];
    figure.redraw();
  }
}

/** The flag that was chosen before the server wrote them anew. */
function again() {
  const list = byId("flags");
  if (!figure?.mark || !list || list.querySelector("[aria-pressed]")) return;
  const button = [...list.querySelectorAll(".flag")].find((each) => Number(each.dataset.step) === figure.mark[0]);
  if (button) choose(button);
}

/** Makes the flags and the question work; again after the server wrote them anew. */
export function decisions(shown) {
  figure = shown;
  again();
  const list = byId("flags"), form = byId("why");
  if (list && !list.dataset.ready) {
    list.dataset.ready = "1";
    list.addEventListener("click", (event) => {
      const button = event.target instanceof Element && event.target.closest(".flag");
      if (button) choose(button);
    });
    // A flag in focus says its reason already; choosing it marks the stretch in the figure.
    list.addEventListener("focusin", (event) => {
      const button = event.target.closest(".flag"), reason = button && byId(button.getAttribute("aria-describedby"));
      if (reason) byId("reason").replaceChildren(...[...reason.childNodes].map((node) => node.cloneNode(true)));
    });
  }
  if (form && !form.dataset.ready) {
    form.dataset.ready = "1";
    form.addEventListener("submit", why);
  }
}
