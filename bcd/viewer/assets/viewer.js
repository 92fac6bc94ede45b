"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  const dark = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  const label = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };

  const theme = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("bcd-theme", root.dataset.theme); } catch { /* a browser that keeps nothing */ }
    label();
  };

  // Before anything is drawn, so that nothing flashes.
  root.classList.add("scripted");
  try {
    const kept = localStorage.getItem("bcd-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* likewise */ }

  const move = (step) => {
    const links = [...document.querySelectorAll(".rows .row a")];
    const here = links.indexOf(document.activeElement);
    const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : here + step;
    if (links[next]) links[next].focus();
  };

  const up = () => { const link = byId("up"); if (link) link.click(); };

  const search = () => { const field = byId("query"); if (field) { field.focus(); field.select(); } };

  const KEYS = {
    "/": search,
    j: () => move(1),
    k: () => move(-1),
    u: up,
    t: theme,
    "?": () => byId("help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("DOMContentLoaded", () => {
    label();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
    byId("theme").addEventListener("click", theme);
    byId("keys").addEventListener("click", KEYS["?"]);
    byId("close").addEventListener("click", () => byId("help").close());
  });
})();
