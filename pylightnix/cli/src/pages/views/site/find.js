// Search in files: over references, names, fields, tags and notes, or for what meets a condition.
"use strict";
(() => {
  const { element } = pages;
  const MOST = 100;
  const form = document.querySelector("form.search");
  const home = document.querySelector("[data-search]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams({ q: new FormData(form).get("q").trim() });
    location.href = `${pages.root}search.html#${asked}`;
  });
  if (!home) return;
  const count = Number(home.dataset.search);
  const said = [...home.childNodes];

  const list = (word, rows) => (rows.length === 0 ? [] : [element("h2", {}, `${rows.length} ${rows.length === 1 ? word : `${word}s`}`),
    element("ul", { class: "plain" }, rows.slice(0, MOST).map((row) => element("li", {}, row))),
    ...(rows.length > MOST ? [element("p", { class: "faint" }, `shown are ${MOST} of them`)] : [])]);
  const result = (row) => [pages.link(row[0], row[1]), ` ${row[0].split("-").slice(2).join("-")}`];

  // Those that meet a condition, in the tables of all stages.
  async function meeting(condition, stages) {
    const found = [];
    for (const [name, count] of stages) {
      const blocks = await pages.all(`stage/${name}`, count);
      const at = blocks[0].columns.findIndex(([column]) => column === condition.what);
      if (at >= 0) found.push(...blocks.flatMap((block) => block.rows).filter((row) => pages.holds(condition, row[2][at] ?? null)));
    }
    return found;
  }

  let turn = 0;
  async function render() {
    turn += 1;
    const own = turn;
    const asked = (new URLSearchParams(location.hash.slice(1)).get("q") ?? "").trim();
    document.getElementById("q").value = asked;
    if (!asked) { home.replaceChildren(...said); return; }
    const parts = [element("h1", {}, `Search: ${asked}`)];
    try {
      const blocks = await pages.all("search", count);
      const stages = blocks[0].stages;
      const condition = pages.condition(asked);
      const word = asked.toLowerCase();
      const rows = blocks.flatMap((block) => block.rows);
      const found = condition ? await meeting(condition, stages)
        : rows.filter((row) => row[0].includes(word) || pages.short(row[0]).startsWith(word) || row[2].toLowerCase().includes(word));
      if (own !== turn) return;
      const names = condition ? [] : stages.filter(([name]) => name.toLowerCase().includes(word));
      parts.push(...list("stage", names.map(([name]) => [element("a", { href: `${pages.root}stage/${name}.html` }, name)])), ...list("result", found.map(result)));
      if (names.length + found.length === 0) parts.push(element("p", { class: "empty" }, "Nothing matches."));
    } catch (error) {
      if (own !== turn) return;
      parts.push(element("pre", { class: "fault" }, String(error.message)));
    }
    home.replaceChildren(...parts);
  }
  window.addEventListener("hashchange", render);
  render();
})();
