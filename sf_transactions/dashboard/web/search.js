// Search over every name and code of the three hierarchies: a combobox with a list.

const FOUND_AT_ONCE = 12;

function searchable(data) {
  return data.trees.flatMap((tree) =>
    tree.nodes.flatMap(({ names, codes }, level) =>
      names.map((name, node) => ({ tree, level, node, name, code: codes[node], lower: `${name} ${codes[node]}`.toLowerCase() }))));
}

/** The best matches: names that begin with the words first, then higher levels, then the alphabet. */
function matches(all, words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  const parts = wanted.split(/\s+/);
  const rank = (entry) => (entry.lower.startsWith(wanted) ? 0 : 10) + entry.level;
  return all.filter((entry) => parts.every((part) => entry.lower.includes(part)))
    .sort((x, y) => rank(x) - rank(y) || (x.name < y.name ? -1 : 1));
}

/** `chosen(tree, path)` is called with what the reader picks. */
function setUpSearch(data, chosen) {
  const input = byId("search"), list = byId("found"), all = searchable(data);
  let shown = [], active = -1;
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const choose = (entry) => {
    input.value = "";
    close();
    chosen(entry.tree, pathTo(entry.tree, entry.level, entry.node));
  };
  const mark = (next) => {
    active = shown.length ? (next + shown.length) % shown.length : -1;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", i === active));
    if (active < 0) return;
    input.setAttribute("aria-activedescendant", list.children[active].id);
    list.children[active].scrollIntoView({ block: "nearest" });
  };
  const open = () => {
    const found = matches(all, input.value);
    shown = found.slice(0, FOUND_AT_ONCE);
    list.replaceChildren(...shown.map((entry, i) => {
      const path = namesOf(entry.tree, pathTo(entry.tree, entry.level, entry.node)).slice(0, -1);
      return el("li", { id: `found-${i}`, role: "option", "aria-selected": "false", onmousedown: (event) => { event.preventDefault(); choose(entry); } },
        el("span", {}, entry.name), el("small", {}, [levelTitle(entry.tree, entry.level), ...path].join(" \u203a ")));
    }));
    list.hidden = !shown.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    byId("found-count").textContent = !input.value.trim() ? "" : found.length > FOUND_AT_ONCE
      ? `${counted(found.length)} names found, the first ${FOUND_AT_ONCE} are listed` : `${found.length} names found`;
    active = -1;
  };
  input.addEventListener("input", open);
  input.addEventListener("focus", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") mark(active + 1);
    else if (event.key === "ArrowUp") mark(active - 1);
    else if (event.key === "Enter" && shown.length) choose(shown[Math.max(active, 0)]);
    else if (event.key === "Escape") { input.value = ""; close(); }
    else return;
    event.preventDefault();
  });
}
