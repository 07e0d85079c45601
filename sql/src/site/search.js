// Search and filters of the table. Everything is in the page already; this only hides rows.
// Search and filters are kept in the fragment of the address: #q=users&stage=plan
"use strict";
(() => {
  const form = document.getElementById("search");
  const query = form.elements.q;
  const selects = [...form.querySelectorAll("select")];
  const columns = document.getElementById("columns");
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const clear = document.getElementById("clear");
  const bodies = [...document.querySelectorAll("#dictionary tbody")].map((body) => {
    const [head, ...rows] = body.rows;
    return { body, number: head.querySelector("span"), rows };
  });
  const total = bodies.reduce((sum, { rows }) => sum + rows.length, 0);
  const number = (value) => value.toLocaleString("en-US");

  // What is searched of a row: all cells but those of numbers and statements.
  const texts = new Map();
  const text = (row) => {
    let found = texts.get(row);
    if (found === undefined) {
      const cells = [...row.cells].filter((cell) => !cell.matches(".trend, .sql, .latest"));
      found = cells.map((cell) => cell.textContent).join("\n").toLowerCase();
      texts.set(row, found);
    }
    return found;
  };

  const apply = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = selects.filter((select) => select.value).map((select) => [select.name, select.value]);
    const matches = (row) =>
      wanted.every(([name, value]) => (row.dataset[name] ?? "").split(", ").includes(value)) &&
      words.every((word) => text(row).includes(word));
    let shown = 0;
    for (const { body, number: label, rows } of bodies) {
      let here = 0;
      for (const row of rows) {
        const hide = !matches(row);
        if (row.hidden !== hide) row.hidden = hide;
        if (!hide) here += 1;
      }
      body.hidden = here === 0;
      label.textContent = here === rows.length ? number(here) : `${number(here)} of ${number(rows.length)}`;
      shown += here;
    }
    for (const select of selects) select.classList.toggle("set", select.value !== "");
    const isFiltered = words.length > 0 || wanted.length > 0;
    count.textContent = isFiltered ? `${number(shown)} of ${number(total)}` : number(total);
    nothing.hidden = shown > 0;
    clear.hidden = !isFiltered;
  };

  const save = () => {
    const parts = new URLSearchParams();
    if (query.value.trim()) parts.set("q", query.value.trim());
    for (const select of selects) if (select.value) parts.set(select.name, select.value);
    if (columns.checked) parts.set("columns", "all");
    const fragment = parts.toString();
    if (fragment !== location.hash.slice(1)) {
      history.replaceState(null, "", fragment ? `#${fragment}` : location.href.split("#")[0]);
    }
  };

  const load = () => {
    const parts = new URLSearchParams(location.hash.slice(1));
    query.value = parts.get("q") ?? "";
    for (const select of selects) {
      select.value = parts.get(select.name) ?? "";
      if (select.selectedIndex < 0) select.value = "";
    }
    columns.checked = parts.get("columns") === "all";
    const more = document.getElementById("more");
    if (selects.some((select) => select.value && more.contains(select))) more.open = true;
    apply();
  };

  let waiting = 0;
  const changed = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      apply();
      save();
    });
  };

  const links = () =>
    bodies.flatMap(({ rows }) => rows).filter((row) => !row.hidden).map((row) => row.querySelector("a"));

  const move = (event) => {
    const all = links();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || (at < 0 && event.key !== "ArrowDown")) return;
    event.preventDefault();
    if (to < 0) query.focus();
    else all[Math.min(to, all.length - 1)]?.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = document.activeElement;
    const isRow = at?.closest?.("#dictionary") && at.matches("a");
    if (event.key === "/" && !at?.matches?.("input, select, textarea")) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape" && at === query && query.value === "" && selects.some((s) => s.value)) {
      form.reset();
    } else if (event.key === "Escape" && at === query) {
      event.preventDefault();
      query.value = "";
      changed();
    } else if (event.key === "Escape" && isRow) {
      query.focus();
    } else if (event.key === "Enter" && at === query) {
      event.preventDefault();
      links()[0]?.focus();
    } else if (isRow || (at === query && event.key === "ArrowDown")) {
      move(event);
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(changed));
  columns.addEventListener("change", save);
  addEventListener("hashchange", load);
  form.hidden = false;
  load();
})();
