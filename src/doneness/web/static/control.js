// Requests to the trainer: stop, cooldown, keep. Asked twice in a dialog, under a name, and followed until they are done.
import { byId, count, fill, post, recall, remember, say, tell } from "./common.js";

const shown = new Map();

/** A request as the server tells of it: asked for, done or refused. */
export function request(found) {
  const list = byId("requests");
  let item = shown.get(found.id) || [...list.children].find((each) => each.dataset.id === found.id);
  if (!item) {
    item = document.createElement("li");
    item.dataset.id = found.id;
    list.append(item);
  }
  shown.set(found.id, item);
  item.textContent = found.text;
  list.hidden = false;
  tell(found.text);
}

/** Lets every button with an action ask. */
export function controls(api, now) {
  const dialog = byId("control");
  if (!dialog) return;
  const who = byId("who"), title = byId("ask-title"), text = byId("ask-text"), yes = byId("ask-yes"), fault = byId("ask-fault");
  let wish = null, sure = false, from = null;

  const values = () => ({ name: now.name, step: count(now.step), at: count(wish.step) });
  const phase = (again) => {
    sure = again;
    title.textContent = say(`${wish.action}_title`, values());
    text.textContent = say(`${wish.action}_${again ? "again" : "text"}`, values());
    yes.textContent = say(`${wish.action}_${again ? "sure" : "yes"}`, values());
    yes.classList.toggle("sure", again && wish.action === "stop");
    byId("ask-who").hidden = again;
    fault.hidden = true;
    // The answer that changes nothing has the focus, so that a second Enter by accident does nothing.
    (again ? byId("ask-no") : who.value ? yes : who).focus();
  };

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-action]");
    if (!button) return;
    wish = { action: button.dataset.action, step: button.dataset.step ? Number(button.dataset.step) : null };
    from = button;
    who.value = recall("name");
    dialog.showModal();
    phase(false);
  });
  byId("ask-no").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => { if (from?.isConnected) from.focus(); });
  dialog.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!sure) {
      remember("name", who.value.trim());
      phase(true);
      return;
    }
    yes.disabled = true;
    try {
      const name = who.value.trim();
      const { id } = await post(`${api}/control`, { action: wish.action, step: wish.step, who: name });
      dialog.close();
      const action = fill(say(`action_${wish.action}`), { at: count(wish.step) });
      if (!shown.has(id)) request({ id, text: say("asked", { who: name, action }) });
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    } finally {
      yes.disabled = false;
    }
  });
}
