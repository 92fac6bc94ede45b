"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const query = byId("query"), count = byId("count"), help = byId("help"), said = byId("said");
  const main = document.querySelector("main");
  let index = null; // of the search, until the page changes

  // --- what is folded is raw text until it is unfolded ---

  const own = window.trustedTypes ? trustedTypes.createPolicy("bcd", { createHTML: (text) => text }) : { createHTML: (text) => text };

  const fill = (details) => {
    const raw = details.querySelector(":scope > noscript");
    if (!raw) return;
    const made = document.createElement("template");
    made.innerHTML = own.createHTML(raw.textContent);
    raw.replaceWith(made.content);
    index = null;
  };

  const fillWhere = (wanted) => {
    for (const raw of [...main.querySelectorAll("noscript")]) {
      if (wanted(raw)) fill(raw.parentElement);
    }
  };

  document.addEventListener("toggle", (event) => fill(event.target), true);
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("summary");
    if (summary) fill(summary.parentElement);
  }, true);

  // --- folding ---

  const openAround = (element) => {
    for (let each = element; each; each = each.parentElement) {
      if (each.localName === "details") each.open = true;
    }
  };

  // Once more when what lies above has its real height.
  const bring = (element, block) => {
    element.scrollIntoView({ block });
    requestAnimationFrame(() => requestAnimationFrame(() => element.scrollIntoView({ block })));
  };

  const follow = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    if (id && !byId(id)) fillWhere((raw) => raw.textContent.includes(`id="${id}"`));
    const target = id && byId(id);
    if (!target) return;
    openAround(target);
    bring(target, "start");
    const summary = target.matches("details") && target.querySelector("summary");
    if (summary) summary.focus({ preventScroll: true, focusVisible: true });
  };

  const showAll = (all) => {
    byId("frames").setAttribute("aria-pressed", all);
    if (all) fillWhere((raw) => raw.closest("#error"));
    for (const each of document.querySelectorAll("details.lib")) each.open = all;
    for (const each of document.querySelectorAll("#error .lib > .frame")) each.open = all;
  };

  const toggleAll = () => showAll(byId("frames").getAttribute("aria-pressed") !== "true");

  // --- variables as a tree: what repr shows, taken apart ---

  const CLOSING = { "(": ")", "[": "]", "{": "}", "<": ">" };

  const afterString = (text, at) => {
    const quote = text[at];
    for (let i = at + 1; i < text.length; i++) {
      if (text[i] === "\\") i++;
      else if (text[i] === quote) return i + 1;
    }
    return text.length;
  };

  const beginsString = (text, at) => /['"]/.test(text[at]) && !/[A-Za-z0-9_]/.test((text[at - 1] || "").replace(/[bru]/i, ""));

  const pieces = (text, separator) => {
    const found = [];
    let depth = 0, from = 0;
    for (let i = 0; i < text.length; i++) {
      if (beginsString(text, i)) i = afterString(text, i) - 1;
      else if (CLOSING[text[i]]) depth++;
      else if (")]}>".includes(text[i])) depth = Math.max(depth - 1, 0);
      else if (depth === 0 && text.startsWith(separator, i)) {
        found.push(text.slice(from, i));
        i += separator.length - 1;
        from = i + 1;
      }
    }
    return [...found, text.slice(from)].filter((each) => each.trim());
  };

  const attributes = (text) => {
    const found = [];
    for (const each of pieces(text, " ")) {
      if (/^[^\W\d]\w*=/u.test(each) || !found.length) found.push(each);
      else found[found.length - 1] += ` ${each}`;
    }
    return found;
  };

  const partsOf = (text) => {
    const begin = /^[\w.]*[[({<]/u.exec(text);
    if (!begin) return [];
    const bracket = text[begin[0].length - 1];
    const end = text.endsWith(CLOSING[bracket]) ? text.length - 1 : text.length;
    const inner = text.slice(begin[0].length, end);
    if (bracket !== "<") return pieces(inner, ", ");
    return attributes(inner).slice(1);
  };

  const keyed = (part) => {
    const named = /^([^\W\d][\w.]*)=(?!=)/u.exec(part);
    if (named) return [named[1], " = ", part.slice(named[0].length)];
    const [key, ...rest] = pieces(part, ": ");
    return rest.length ? [key, ": ", part.slice(key.length + 2)] : ["", "", part];
  };

  const span = (kind, text) => {
    const made = document.createElement("span");
    made.className = kind;
    made.textContent = text;
    return made;
  };

  const tree = (parts) => {
    const list = document.createElement("ul");
    list.className = "parts";
    for (const part of parts) list.append(branch(part));
    return list;
  };

  const branch = (part) => {
    const item = document.createElement("li");
    const [key, joint, value] = keyed(part);
    const parts = partsOf(value);
    const words = [span("key", key), joint];
    if (!parts.length) {
      item.append(...words, span("", value));
      return item;
    }
    const details = document.createElement("details"), summary = document.createElement("summary");
    summary.append(...words, span("whole", value));
    details.append(summary);
    details.addEventListener("toggle", () => { details.append(tree(parts)); index = null; }, { once: true });
    item.append(details);
    return item;
  };

  const twist = (button, open = button.getAttribute("aria-expanded") !== "true") => {
    const value = button.nextElementSibling, cell = button.parentElement;
    if (open === (button.getAttribute("aria-expanded") === "true")) return;
    button.setAttribute("aria-expanded", open);
    if (open) cell.append(tree(partsOf(whole(value))));
    else cell.querySelector(".parts").remove();
    index = null;
  };

  const whole = (element) => {
    const copy = element.cloneNode(true);
    for (const each of copy.querySelectorAll(".rest > summary")) each.remove();
    return copy.textContent;
  };

  // --- keyboard ---

  const summaries = () => [...main.querySelectorAll(".frame > summary")].filter((each) => each.checkVisibility({ contentVisibilityAuto: false }));

  const step = (by) => {
    const all = summaries();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const below = all.findIndex((each) => each.getBoundingClientRect().top > 60);
    const next = at >= 0 ? at + by : by > 0 ? Math.max(below, 0) : below - 1;
    const target = all[Math.min(Math.max(next, 0), all.length - 1)];
    target.focus({ preventScroll: true, focusVisible: true });
    target.scrollIntoView({ block: "nearest" });
  };

  const unfold = (open) => {
    const frame = document.activeElement.closest(".frame");
    if (!frame) return;
    frame.open = open;
    for (const each of frame.querySelectorAll("details.more")) each.open = open;
    for (const each of frame.querySelectorAll(".twist")) twist(each, open);
    frame.querySelector("summary").focus();
  };

  const KEYS = {
    "/": () => { query.focus(); query.select(); },
    "?": () => help.showModal(),
    j: () => step(1), k: () => step(-1),
    e: () => unfold(true), c: () => unfold(false),
    a: toggleAll, y: () => copy(), t: () => theme(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target === query) return;
    const action = KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  // --- search: one string of all text, and where each piece of it stands ---

  let hits = [], here = -1, all = true;
  const BLOCKS = "div, p, li, dt, dd, summary, h1, h2, span.value, figcaption";
  const lower = (text) => { const made = text.toLowerCase(); return made.length === text.length ? made : text; };

  const indexed = () => {
    if (index) return index;
    const nodes = [], starts = [], texts = [];
    const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    let at = 0, block = null;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const own = node.parentElement.closest(BLOCKS);
      if (own !== block) { texts.push("\n"); at++; block = own; }
      nodes.push(node);
      starts.push(at);
      texts.push(lower(node.data));
      at += node.data.length;
    }
    index = { nodes, starts, text: texts.join("") };
    return index;
  };

  const placeOf = (at) => {
    let low = 0, high = index.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (index.starts[middle] <= at) low = middle; else high = middle - 1;
    }
    return [index.nodes[low], Math.min(at - index.starts[low], index.nodes[low].data.length)];
  };

  const rangeOf = (at, length) => {
    const range = new Range();
    range.setStart(...placeOf(at));
    const [node, offset] = placeOf(at + length - 1);
    range.setEnd(node, Math.min(offset + 1, node.data.length));
    return range;
  };

  const MOST = 2000, MOST_UNFOLDED = 200;
  const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&#34;": '"', "&#39;": "'" };
  const raws = new WeakMap();

  const textOf = (raw) => {
    if (!raws.has(raw)) {
      const text = raw.textContent.replace(/<[^>]*>/g, "").replace(/&(?:lt|gt|amp|#34|#39);/g, (each) => ENTITIES[each]);
      raws.set(raw, lower(text));
    }
    return raws.get(raw);
  };

  const fillFound = (wanted) => {
    let room = MOST_UNFOLDED;
    fillWhere((raw) => room > 0 && textOf(raw).includes(wanted) && room-- > 0);
    return room > 0;
  };

  const search = () => {
    const wanted = lower(query.value);
    hits = [];
    here = -1;
    all = true;
    if (wanted.trim()) {
      all = fillFound(wanted);
      const { text } = indexed();
      for (let at = text.indexOf(wanted); at >= 0 && hits.length < MOST; at = text.indexOf(wanted, at + wanted.length)) {
        hits.push(rangeOf(at, wanted.length));
      }
    }
    all = all && hits.length < MOST;
    paint("found", hits);
    paint("here", []);
    count.textContent = wanted.trim() ? `${hits.length}${all ? "" : "+"} found` : "";
  };

  const paint = (name, ranges) => { if (CSS.highlights) CSS.highlights.set(name, new Highlight(...ranges)); };

  const go = (by) => {
    if (!hits.length) return;
    here = (here + by + hits.length) % hits.length;
    const hit = hits[here], element = hit.startContainer.parentElement;
    openAround(element);
    bring(element, "center");
    paint("here", [hit]);
    count.textContent = `${here + 1} of ${hits.length}${all ? "" : "+"}`;
  };

  let due = 0;
  query.addEventListener("input", () => { clearTimeout(due); due = setTimeout(search, 120); });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { query.value = ""; search(); query.blur(); }
    if (event.key !== "Enter") return;
    clearTimeout(due);
    if (here < 0) search();
    go(event.shiftKey ? -1 : 1);
  });

  // --- copying, light and dark ---

  let quiet = 0;
  const say = (words) => {
    said.textContent = words;
    clearTimeout(quiet);
    quiet = setTimeout(() => { said.textContent = ""; }, 2500);
  };

  const copy = async () => {
    const text = byId("text").textContent.trim() + "\n";
    try {
      await navigator.clipboard.writeText(text);
      say("Copied as text.");
    } catch {
      say(copyByHand(text) ? "Copied as text." : "The browser does not let this page copy.");
    }
  };

  const copyByHand = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  const label = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };

  const theme = (chosen = dark() ? "light" : "dark") => {
    document.documentElement.dataset.theme = chosen;
    try { localStorage.setItem("bcd-theme", chosen); } catch { /* a browser that keeps nothing */ }
    label();
  };

  try {
    const kept = localStorage.getItem("bcd-theme");
    if (kept === "dark" || kept === "light") theme(kept);
  } catch { /* likewise */ }
  label();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);

  byId("frames").addEventListener("click", toggleAll);
  byId("copy").addEventListener("click", copy);
  byId("theme").addEventListener("click", () => theme());
  byId("keys").addEventListener("click", () => help.showModal());
  byId("close").addEventListener("click", () => help.close());
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".twist");
    if (button) twist(button);
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  });
  addEventListener("hashchange", follow);
  follow();
})();
