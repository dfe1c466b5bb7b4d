// What every page needs: the words of the reader's language, requests that carry the page's token, live events, the theme.

const root = document.documentElement;
root.classList.add("scripted");

export const data = (id) => {
  const block = document.getElementById(id);
  return block ? JSON.parse(block.textContent) : null;
};
const words = data("words") || {};

/** A sentence with its places filled in; what is missing stays as it is. */
export const fill = (text, values = {}) => text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
export const say = (key, values) => fill(words[key] ?? key, values);

export const byId = (id) => document.getElementById(id);
export const count = (n) => (n === null || n === undefined || !Number.isFinite(n) ? "–" : Math.round(n).toLocaleString("en-US").replace("-", "−"));

/** A time span in its two largest units, as the report writes it. */
export const duration = (seconds) => {
  const s = Math.round(seconds);
  if (s < 60) return say("seconds", { s });
  if (s < 3600) return say("minutes", { m: Math.floor(s / 60), s: s % 60 });
  return say("hours", { h: Math.floor(s / 3600), m: Math.floor((s % 3600) / 60) });
};

/** Says a sentence to screen readers, and to nobody else. */
export const tell = (text) => { byId("told").textContent = text; };

/** Fetches JSON; a fault becomes an error whose message is the server's own sentence. */
export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { headers: { Accept: "application/json" }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(say("no_answer"), { cause: error });
  }
  let body = null;
  try {
    body = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (answer.ok && body !== null) return body;
  throw new Error(body?.error || `${answer.status} ${answer.statusText}`);
}

export const post = (address, value) => ask(address, {
  method: "POST",
  headers: {
    Accept: "application/json", "Content-Type": "application/json",
    "X-Doneness-CSRF": document.querySelector('meta[name="csrf"]').content,
  },
  body: JSON.stringify(value),
});

/**
 * Follows a stream of events; the mark in the bar says whether it holds. The browser takes it up again by itself.
 * A tab that nobody sees lets go of its stream: a browser has six connections for all of a server's tabs, and the next
 * tab would never load.
 */
export function follow(address, handlers) {
  const mark = byId("live");
  const show = (held) => {
    mark.hidden = false;
    mark.classList.toggle("lost", !held);
    mark.textContent = say(held ? "live" : "lost");
  };
  let source = null;
  let wait = 1000;
  let anew = false; // a stream that is opened anew, not taken up again, cannot say what was missed
  let rest = 0;
  const away = () => document.visibilityState === "hidden";
  const close = () => { source?.close(); source = null; anew = true; };
  const open = () => {
    if (source || away()) { anew ||= !source; return; }
    source = new EventSource(address);
    source.onopen = () => { wait = 1000; show(true); if (anew) { anew = false; handlers.reset?.({}); } };
    source.onerror = () => {
      show(false);
      // A closed stream (the server is gone, or refused) is not taken up again by the browser; with a growing pause it is.
      if (source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, wait * (0.75 + Math.random() / 2));
        wait = Math.min(2 * wait, 30000);
      }
    };
    for (const [name, act] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    }
  };
  open();
  document.addEventListener("visibilitychange", () => {
    clearTimeout(rest);
    if (away()) rest = setTimeout(close, 1000); else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
}

export const remember = (key, value) => {
  try { localStorage.setItem(`doneness.${key}`, value); } catch { /* a browser may forbid it; then nothing is remembered */ }
};
export const recall = (key) => {
  try { return localStorage.getItem(`doneness.${key}`) || ""; } catch { return ""; }
};

/** Whether single keys belong to a field the reader types in. */
export const typing = (event) => {
  const at = event.target;
  return at instanceof HTMLElement && (at.isContentEditable || ["TEXTAREA", "SELECT"].includes(at.tagName)
    || (at.tagName === "INPUT" && !["checkbox", "radio"].includes(at.type)));
};
export const plainKey = (event) => !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;

// The theme: as the system says, light, dark. The server reads the cookie, so that no page flashes.
const themes = ["", "light", "dark"];
const button = byId("theme");
const named = () => { button.textContent = say(root.dataset.theme ? `theme_${root.dataset.theme}` : "theme"); };
if (button && !button.dataset.ready) {
  button.dataset.ready = "1";
  named();
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "") + 1) % themes.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    document.cookie = `doneness_theme=${next}; path=/; max-age=${next ? 31536000 : 0}; SameSite=Strict`;
    named();
    dispatchEvent(new Event("themechange"));
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
