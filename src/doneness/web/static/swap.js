// Takes over the sections of a page as the server writes it now; what the reader has open or holds stays so.
import { byId } from "./common.js";

const FOCUSED = "button, a, summary, [tabindex]";

/** Puts every section marked data-live of `page` in the place of the one that is shown. */
export function swapped(page) {
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = byId(fresh.id);
    if (!old || old.innerHTML === fresh.innerHTML) continue;
    const open = [...old.querySelectorAll("details")].map((d) => d.open);
    const held = old.contains(document.activeElement) ? [...old.querySelectorAll(FOCUSED)].indexOf(document.activeElement) : -1;
    const scrolled = [...old.querySelectorAll(".scroll")].map((s) => s.scrollLeft);
    old.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    [...old.querySelectorAll("details")].forEach((d, i) => { if (open[i]) d.open = true; });
    [...old.querySelectorAll(".scroll")].forEach((s, i) => { s.scrollLeft = scrolled[i] || 0; });
    if (held >= 0) [...old.querySelectorAll(FOCUSED)][held]?.focus({ preventScroll: true });
  }
  const plot = byId("plot"), said = page.getElementById("plot")?.getAttribute("aria-label");
  if (plot && said) plot.setAttribute("aria-label", said);
  if (byId("caption") && page.getElementById("caption")) byId("caption").textContent = page.getElementById("caption").textContent;
}

/**
 * A function that fetches the page that is shown and hands it on; once more at the end if it was called meanwhile.
 * @param take (document) what to do with it.
 * @param rest milliseconds between two.
 */
export function renewal(take, rest = 0) {
  let wanted = false, busy = false;
  return async function renew() {
    if (busy) { wanted = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the stream says that the connection is lost, and tells again when it is back */ }
    if (rest) await new Promise((done) => setTimeout(done, rest));
    busy = false;
    if (wanted) { wanted = false; renew(); }
  };
}
