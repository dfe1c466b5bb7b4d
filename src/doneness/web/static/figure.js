// The figure, drawn by plotly over the report's still one: axes, scales, zoom by pointer and by key, labels beside the lines.
import { byId, data, fill, plainKey, say, typing } from "./common.js";
import { along, apart, compact, limits, short, ticks } from "./places.js";
import { dots, ink, repaint, wash } from "./marks.js";

export const texts = data("figure-words") || {};
const NARROW = 620;
const chosenOf = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;

/** Resolves once plotly.js, which is loaded beside the modules, is there. */
const plotly = () => (window.Plotly ? Promise.resolve(window.Plotly) : new Promise((done, lost) => {
  const script = document.querySelector('script[src*="plotly"]');
  script.addEventListener("load", () => done(window.Plotly));
  script.addEventListener("error", lost);
}));

export class Figure {
  /**
   * @param axes name → [steps, values], which place a step on an axis.
   * @param draw (figure) → {traces, lines, raw, labels, shapes, notes, panels, low, high}: what to draw now.
   * @param moved called when the stretch or the axis that is shown changed.
   */
  constructor({ axes, draw, moved = () => {} }) {
    Object.assign(this, { axes, draw, moved, view: null, mark: null });
    this.axis = chosenOf("x") || "step";
    this.log = chosenOf("y") === "log";
    this.holder = byId("plot");
    this.box = document.createElement("div");
    this.box.setAttribute("aria-hidden", "true");
    this.due = null;
    this.painting = this.again = false;
    this.#listen();
  }

  place = (step) => along(this.axes[this.axis][0], this.axes[this.axis][1], step) * this.unit[0];
  /** The step that stands at a place; axes ascend, so it is the same lines the other way round. */
  step = (at) => along(this.axes[this.axis][1], this.axes[this.axis][0], at / this.unit[0]);

  /** What the axis counts in: a time has the unit that fits how long it is. */
  get unit() {
    if (this.axis !== "time") return [1, ""];
    const values = this.axes.time[1], end = values[values.length - 1];
    return end >= 7200 ? [1 / 3600, texts["unit.hours"]] : end >= 120 ? [1 / 60, texts["unit.minutes"]] : [1, texts["unit.seconds"]];
  }

  /** The whole width in steps: from zero to the end of the log, or of the forecast. */
  get whole() { return [0, this.last || 1]; }
  get shown() { return this.view || this.whole; }

  /** Draws after a while, once for all that changed in between; not while nobody sees it. A shorter while counts. */
  redraw(wait = this.ready ? 60 : 0) {
    if (this.painting) { this.again = true; return; }
    const at = performance.now() + wait;
    if (this.due && this.due.at <= at) return;
    if (this.due) clearTimeout(this.due.timer);
    this.due = { at, timer: setTimeout(() => this.#begin(), wait) };
  }

  async #begin() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", () => { this.due = null; this.redraw(0); }, { once: true });
      return;
    }
    this.due = null;
    this.painting = true;
    try { await this.#paint(); } finally { this.painting = false; }
    if (this.again) { this.again = false; this.redraw(); }
  }

  show(from, to) {
    const [first, last] = this.whole;
    const least = Math.max((last - first) / 1e5, 1e-9);
    let wide = Math.min(Math.max(to - from, least), last - first);
    if (wide < 3 && last > 6) wide = 3;
    const start = Math.min(Math.max(from, first), last - wide);
    this.view = wide >= (last - first) * 0.999 ? null : [start, start + wide];
    this.#went();
  }

  zoom(factor, share = 0.5) {
    const [a, b] = this.shown, wide = (b - a) * factor, at = a + (b - a) * share;
    this.show(at - wide * share, at + wide * (1 - share));
  }

  pan(share) {
    const [a, b] = this.shown, by = (b - a) * share;
    this.show(a + by, b + by);
  }

  reset() { this.view = null; this.#went(); }

  /** The detail of another stretch mostly comes within the tenth of a second, and then it is drawn once. */
  #went() { this.redraw(150); this.moved(); }

  #listen() {
    const acts = { in: () => this.zoom(0.5), out: () => this.zoom(2), left: () => this.pan(-0.25), right: () => this.pan(0.25), reset: () => this.reset() };
    for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", acts[button.dataset.zoom]);
    for (const radio of document.querySelectorAll('input[name="x"], input[name="y"]')) {
      radio.addEventListener("change", () => {
        const before = this.axis;
        this.axis = chosenOf("x") || "step";
        this.log = chosenOf("y") === "log";
        this.redraw();
        if (before !== this.axis) this.moved();
      });
    }
    const cycle = (name) => {
      const all = [...document.querySelectorAll(`input[name="${name}"]`)];
      if (all.length) { const next = all[(all.findIndex((r) => r.checked) + 1) % all.length]; next.checked = true; next.dispatchEvent(new Event("change")); }
    };
    const keys = {
      "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.reset, Escape: acts.reset, ArrowLeft: acts.left, ArrowRight: acts.right,
      x: () => cycle("x"), l: () => cycle("y"),
    };
    this.holder.addEventListener("keydown", (event) => {
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act || !plainKey(event) || typing(event)) return;
      event.preventDefault();
      act();
    });
    this.holder.addEventListener("pointerdown", () => this.holder.focus({ preventScroll: true }));
    this.holder.addEventListener("wheel", (event) => {
      // Only a figure that was chosen zooms: the wheel belongs to the page.
      if (document.activeElement !== this.holder || !this.ready) return;
      event.preventDefault();
      const size = this.box._fullLayout?._size, left = this.box.getBoundingClientRect().left;
      if (!size) return;
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25, Math.min(1, Math.max(0, (event.clientX - left - size.l) / size.w)));
    }, { passive: false });
    addEventListener("themechange", () => { repaint(); this.redraw(); });
    let wide = 0;
    new ResizeObserver(([entry]) => {
      const now = Math.round(entry.contentRect.width);
      if (this.ready && wide && now !== wide) this.redraw();
      wide = now;
    }).observe(this.holder);
  }

  async #paint() {
    const Plotly = await plotly();
    const found = this.draw(this);
    if (!found) return;
    if (!this.ready) {
      this.holder.append(this.box);
      this.holder.classList.add("drawn");
    }
    const narrow = this.holder.clientWidth < NARROW;
    await Plotly.react(this.box, found.traces, this.#layout(found, narrow), {
      displayModeBar: false, responsive: false, doubleClick: false, scrollZoom: false,
    });
    if (found.dots) dots(this.box, found.dots);
    if (this.ready) return;
    this.ready = true;
    this.box.on("plotly_relayout", (change) => {
      const range = change["xaxis.range"] || ("xaxis.range[0]" in change ? [change["xaxis.range[0]"], change["xaxis.range[1]"]] : null);
      if (range) this.show(this.step(Math.min(...range)), this.step(Math.max(...range)));
    });
    this.box.on("plotly_doubleclick", () => { this.reset(); return false; });
  }

  #layout(found, narrow) {
    const [low, high] = limits(found.lines, found.raw, this.log);
    const x = this.shown.map(this.place);
    const size = narrow ? 11.5 : 13;
    const marks = ticks(low, high, this.log);
    const room = (bottom) => ({ zeroline: false, showline: false, fixedrange: true, automargin: false, color: ink("muted"), ...bottom });
    const layout = {
      width: this.holder.clientWidth, height: this.holder.clientHeight, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size, color: ink("muted") },
      margin: { l: narrow ? 46 : 62, r: narrow ? 84 : 128, t: found.top || 24, b: 46, pad: 0 }, showlegend: false, hovermode: "closest",
      hoverlabel: { bgcolor: ink("paper"), bordercolor: ink("edge"), font: { color: ink("ink"), size } },
      // A finger moves the page; stretches are chosen with the buttons there.
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      xaxis: { range: x, color: ink("muted"), showgrid: false, zeroline: false, showline: true, linecolor: ink("edge"), ticks: "outside", tickcolor: ink("edge"),
        anchor: "free", position: 0, title: { text: texts[`axis.${this.axis}`] + (this.unit[1] ? ` (${this.unit[1]})` : ""), standoff: 8, font: { size } },
        ...this.#counted(x, narrow) },
      yaxis: room({ domain: [found.panels.loss, 1], type: this.log ? "log" : "linear", range: this.log ? [Math.log10(low), Math.log10(high)] : [low, high],
        gridcolor: ink("grid"), tickvals: marks, ticktext: marks.map(short) }),
      shapes: found.shapes, annotations: [...found.notes, ...this.#beside(found.labels, [low, high], found.panels.loss, size)],
      uirevision: "fixed",
    };
    for (const [name, axis] of Object.entries(found.panels.axes)) layout[name] = room(axis);
    this.#say(low, high);
    return layout;
  }

  #counted(x, narrow) {
    const marks = ticks(x[0], x[1], false, narrow ? 4 : 8);
    const many = ["step", "tokens", "targets"].includes(this.axis) && marks.at(-1) >= 10000;
    return { tickvals: marks, ticktext: marks.map(many ? compact : (v) => v.toLocaleString("en-US")) };
  }

  /** The names of the lines at their right ends, kept apart. */
  #beside(labels, [low, high], bottom, size) {
    const scale = (v) => (this.log ? Math.log10(Math.max(v, low)) : v);
    const place = (v) => bottom + ((1 - bottom) * (Math.min(Math.max(scale(v), scale(low)), scale(high)) - scale(low))) / (scale(high) - scale(low));
    const gap = (size + 4) / Math.max(this.holder.clientHeight - 90, 100);
    const at = apart(labels.map((l) => place(l.at)), gap, bottom, 1);
    return labels.map((l, i) => ({ xref: "paper", yref: "paper", x: 1, y: at[i], xanchor: "left", xshift: 8, yanchor: "middle", showarrow: false, align: "left",
      text: `<b>${l.text}</b>`, font: { size, color: ink(`${l.role}-ink`) || ink(l.role) } }));
  }

  /** The axes in words, above the figure. */
  #say(low, high) {
    const scale = texts[this.log ? "log" : "linear"];
    const zero = low === 0 ? "zero.from_zero" : low < 0 ? "zero.through_zero" : "zero.not_from_zero";
    const said = [this.title, fill(texts[zero], { scale, low: short(low), high: short(high) })];
    if (this.view) {
      const [a, b] = this.view.map(this.place);
      said.push(say("window", { axis: texts[`axis.${this.axis}`], low: compact(a), high: compact(b) }));
    }
    byId("range").textContent = said.filter(Boolean).join(" · ");
  }
}

/** Lines that stand upright over the panels: epochs pale, decisions dotted. */
export const upright = (x, role, dash = "solid", width = 1) => ({ type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, layer: "below",
  line: { color: ink(role), width, dash } });
export const stretch = (x0, x1, bottom, role, share) => ({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: bottom, y1: 1, layer: "below", line: { width: 0 },
  fillcolor: wash(role, share) });
