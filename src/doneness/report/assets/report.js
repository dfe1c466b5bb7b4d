// Adds keys and zoom to the figure; everything in the report reads without it.
(() => {
  "use strict";
  const section = document.getElementById("curve");
  if (!section) return;
  document.documentElement.classList.add("scripted");

  const home = new Map();
  const parts = (svg) => svg.getAttribute("viewBox").split(" ").map(Number);
  const show = (svg, box) => {
    const [, , w, h] = home.get(svg);
    box[2] = Math.min(box[2], w);
    box[3] = Math.min(box[3], h);
    box[0] = Math.max(0, Math.min(box[0], w - box[2]));
    box[1] = Math.max(0, Math.min(box[1], h - box[3]));
    svg.setAttribute("viewBox", box.map((v) => v.toFixed(2)).join(" "));
    svg.classList.toggle("zoomed", box[2] < w);
  };
  const zoom = (svg, factor, fx = 0.5, fy = 0.5) => {
    const [x, y, w, h] = parts(svg);
    const nw = Math.max(w * factor, home.get(svg)[2] / 20);
    const nh = h * (nw / w);
    show(svg, [x + (w - nw) * fx, y + (h - nh) * fy, nw, nh]);
  };
  const move = (svg, dx, dy) => {
    const [x, y, w, h] = parts(svg);
    show(svg, [x + dx * w, y + dy * h, w, h]);
  };
  const cycle = (name) => {
    const radios = [...section.querySelectorAll(`input[name="${name}"]`)];
    if (radios.length) radios[(radios.findIndex((r) => r.checked) + 1) % radios.length].checked = true;
    const svg = [...home.keys()].find((s) => s.getClientRects().length);
    if (svg) svg.focus({ preventScroll: true });
  };
  const keys = {
    "+": (s) => zoom(s, 0.8), "=": (s) => zoom(s, 0.8), "-": (s) => zoom(s, 1.25),
    0: (s) => show(s, [...home.get(s)]), Escape: (s) => { show(s, [...home.get(s)]); s.blur(); },
    ArrowLeft: (s) => move(s, -0.1, 0), ArrowRight: (s) => move(s, 0.1, 0),
    ArrowUp: (s) => move(s, 0, -0.1), ArrowDown: (s) => move(s, 0, 0.1),
    x: () => cycle("x"), l: () => cycle("y"),
  };

  for (const svg of section.querySelectorAll("svg.figure")) {
    home.set(svg, parts(svg));
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act(svg);
    });
    svg.addEventListener("wheel", (event) => {
      // Only a figure that was clicked zooms: the wheel belongs to the page.
      if (document.activeElement !== svg) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect();
      zoom(svg, event.deltaY < 0 ? 0.85 : 1.18,
        (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    }, { passive: false });
    let last = null;
    svg.addEventListener("pointerdown", (event) => {
      svg.focus({ preventScroll: true });
      if (!svg.classList.contains("zoomed")) return;
      last = [event.clientX, event.clientY];
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!last) return;
      const box = svg.getBoundingClientRect();
      move(svg, (last[0] - event.clientX) / box.width, (last[1] - event.clientY) / box.height);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { last = null; });
  }
})();
