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
    document.querySelectorAll(".runs a").forEach((a) => a.replaceWith(`${a.textContent} (${a.href.split("/").pop()}) `));
  }

  // Tables that are wider than their place say that they scroll.
  const wide = new ResizeObserver((seen) => seen.forEach(({ target }) => {
    target.classList.toggle("scrolls", target.scrollWidth > target.clientWidth + 1);
  }));
  document.querySelectorAll(".scroll").forEach((box) => wide.observe(box));

  // Figures. Vega-Lite draws a panel when it comes near the screen, or all that are left when the page is printed.
  const tip = document.getElementById("tip"), { config, panels } = JSON.parse(document.getElementById("drawings").textContent);
  const views = new Map();
  const draw = async (place) => {
    if (views.has(place.id)) return;
    const spec = panels[place.id];
    views.set(place.id, null);
    const { view } = await vegaEmbed(place, spec, { config, renderer: "svg", ast: true, actions: false, tooltip: false, defaultStyle: false });
    view.preventDefault(false);
    views.set(place.id, view);
    toggle(place.closest("figure"));
    read(place, view, spec.usermeta);
  };
  const near = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) { near.unobserve(target); draw(target); }
  }, { rootMargin: "800px" });
  const plots = [...document.querySelectorAll(".plot")];
  plots.forEach((place) => near.observe(place));

  // The legend's boxes hide and show.
  const toggle = (figure) => {
    const off = new Set([...figure.querySelectorAll(".legend input:not(:checked)")].map((box) => Number(box.value)));
    for (const place of figure.querySelectorAll(".plot")) {
      const view = views.get(place.id);
      if (!view) continue;
      const hidden = panels[place.id].usermeta.traces.flatMap(([, , keys], k) => keys.some((key) => off.has(key)) ? [k] : []);
      view.signal("hidden", hidden).runAsync();
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.closest(".legend")) toggle(event.target.closest("figure"));
  });

  // Values under the pointer, or by arrow keys on a focused figure; + and - zoom, 0 shows everything again.
  const ring = document.createElement("i");
  ring.className = "ring";
  const hide = () => { tip.hidden = true; ring.remove(); };
  const read = (place, view, { traces, points }) => {
    let current = -1;
    const where = ([, x, y]) => {
      const [left, top] = view.origin();
      return [left + view.scale("x")(x), top + view.scale("y")(y)];
    };
    const seen = () => {
      const hidden = new Set(view.signal("hidden"));
      const [left, top] = view.origin(), width = view.scale("x").range()[1], height = Math.max(...view.scale("y").range());
      return points.flatMap((point, i) => {
        const [x, y] = where(point);
        const inside = x >= left - 1 && x <= left + width + 1 && y >= top - 1 && y <= top + height + 1;
        return hidden.has(point[0]) || !inside ? [] : [{ i, x, y }];
      });
    };
    const show = ({ i, x, y }) => {
      current = i;
      const [k, , , text] = points[i], box = place.querySelector("svg").getBoundingClientRect(), outer = place.getBoundingClientRect();
      ring.style.left = `${box.left - outer.left + x}px`;
      ring.style.top = `${box.top - outer.top + y}px`;
      place.append(ring);
      const name = document.createElement("b");
      name.textContent = traces[k][0];
      tip.replaceChildren(name, text);
      tip.hidden = false;
      const left = Math.min(Math.max(8, box.left + x + 12), innerWidth - tip.offsetWidth - 8);
      const above = box.top + y - tip.offsetHeight - 12;
      tip.style.left = `${left}px`;
      tip.style.top = `${above > 8 ? above : box.top + y + 14}px`;
    };
    const zoom = (factor) => {
      for (const axis of ["x", "y"]) {
        const scale = view.scale(axis), all = panels[place.id].encoding[axis].scale.domain;
        const log = scale.type === "log", to = log ? Math.log : (v) => v, back = log ? Math.exp : (v) => v;
        const [low, high] = scale.domain().map((v) => to(v)), middle = (low + high) / 2, half = ((high - low) / 2) * factor;
        view.signal(`zoom_${axis}`, factor ? [back(middle - half), back(middle + half)] : all);
      }
      view.runAsync();
      hide();
    };
    place.addEventListener("pointermove", (event) => {
      const box = place.querySelector("svg").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let best = null, least = 28 * 28;
      for (const point of seen()) {
        const far = (point.x - x) ** 2 + (point.y - y) ** 2;
        if (far < least) { least = far; best = point; }
      }
      if (best) show(best); else hide();
    });
    place.addEventListener("pointerleave", hide);
    place.addEventListener("blur", hide);
    place.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const factor = { "+": 0.7, "=": 0.7, "-": 1 / 0.7, 0: 0 }[event.key];
      if (event.key === "Escape") hide();
      if (factor !== undefined && !event.ctrlKey && !event.metaKey) { event.preventDefault(); zoom(factor); }
      const found = step ? seen() : [];
      if (!found.length) return;
      event.preventDefault();
      const at = found.findIndex((point) => point.i === current);
      show(found[at < 0 ? (step > 0 ? 0 : found.length - 1) : (at + step + found.length) % found.length]);
    });
  };

  // What is folded away on the screen is printed, and so are figures that nobody has come to.
  const folded = () => document.querySelectorAll("details:not([open]):not(.screen)");
  let opened = [];
  addEventListener("beforeprint", () => {
    hide();
    opened = [...folded()];
    opened.forEach((d) => { d.open = true; });
    plots.forEach(draw);
  });
  addEventListener("afterprint", () => { opened.forEach((d) => { d.open = false; }); opened = []; });
})();
