"use strict";
(() => {
  // The colour scheme: automatic, light or dark. Storage is refused in a sandboxed frame; then the choice is not kept.
  const root = document.documentElement, button = document.getElementById("scheme");
  const names = { auto: "automatic", light: "light", dark: "dark" }, order = Object.keys(names);
  const kept = { get() { try { return localStorage.getItem("skipray-scheme"); } catch { return null; } },
                 set(v) { try { localStorage.setItem("skipray-scheme", v); } catch { /* not kept */ } } };
  let scheme = order.includes(kept.get()) ? kept.get() : "auto";
  const apply = () => {
    if (scheme === "auto") delete root.dataset.scheme; else root.dataset.scheme = scheme;
    button.querySelector("span").textContent = names[scheme];
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    scheme = order[(order.indexOf(scheme) + 1) % order.length];
    kept.set(scheme);
    apply();
  });
  apply();

  // MLflow shows the page as a blob in a sandboxed frame, where a browser follows no link: neither to a place in the page
  // nor to a file beside it, for which it would leave the page.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]'), place = link && document.getElementById(link.hash.slice(1));
    if (!place) return;
    event.preventDefault();
    place.scrollIntoView();
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
  });
  if (location.protocol === "blob:") {
    for (const files of document.querySelectorAll(".files")) {
      const names = [...files.querySelectorAll("a")].map((a) => a.getAttribute("href"));
      files.textContent = `Files in this run's report folder: ${names.join(", ")}`;
    }
  }

  // What is folded away on the screen is printed.
  const folded = () => document.querySelectorAll("details:not([open]):not(.screen)");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...folded()]; opened.forEach((d) => { d.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); opened = []; });

  // Values under the pointer, or by arrow keys on a focused figure.
  const tip = document.getElementById("tip"), space = "http://www.w3.org/2000/svg";
  const hover = JSON.parse(document.getElementById("hover").textContent);
  for (const [id, traces] of Object.entries(hover)) {
    const svg = document.getElementById(id).querySelector("svg");
    const points = traces.flatMap((t) => t.p.map(([x, y, text]) => ({ x, y, text, name: t.n, colour: t.c })));
    let ring = null, current = -1;
    const hide = () => { tip.hidden = true; ring?.remove(); ring = null; current = -1; };
    const show = (i) => {
      if (i === current) return;
      current = i;
      const point = points[i], box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
      ring ??= svg.appendChild(document.createElementNS(space, "circle"));
      ring.setAttribute("class", "ring");
      ring.setAttribute("r", "6");
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      const name = document.createElement("b");
      name.textContent = point.name;
      tip.replaceChildren(name, point.text);
      tip.hidden = false;
      const x = box.left + point.x * scale, y = box.top + point.y * scale;
      const left = Math.min(Math.max(8, x + 12), innerWidth - tip.offsetWidth - 8);
      const above = y - tip.offsetHeight - 12;
      tip.style.left = `${left}px`;
      tip.style.top = `${above > 8 ? above : y + 14}px`;
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      let best = -1, least = 28 * 28;
      points.forEach((p, i) => {
        const far = (p.x - x) ** 2 + (p.y - y) ** 2;
        if (far < least) { least = far; best = i; }
      });
      if (best < 0) hide(); else show(best);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step || !points.length) return;
      event.preventDefault();
      show((current + step + points.length) % points.length);
    });
  }
})();
