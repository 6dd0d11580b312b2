// The table of a stage in files: what a server does for all rows is done here, with the same words in the address, behind `#`.
"use strict";
(() => {
  const home = document.querySelector("[data-rows]");
  if (!home) return;
  const { element, number, text } = pages;
  const ROWS = 100;
  const name = `stage/${home.dataset.rows}`, count = Number(home.dataset.count);
  const shown = home.querySelector(".shown");
  const query = () => new URLSearchParams(location.hash.slice(1));
  const changed = (key, ...values) => {
    const next = query();
    next.delete("page");
    next.delete(key);
    for (const value of values) if (value) next.append(key, value);
    return next;
  };
  const to = (next) => `#${next}`;
  const go = (next) => { location.hash = next.toString(); };

  // Without words in the address, the newest rows are there, as they were written.
  for (const heading of shown.querySelectorAll("th[data-column]")) heading.firstElementChild.href = to(new URLSearchParams({ sort: heading.dataset.column }));
  const newest = [...shown.children].filter((child) => child.className !== "pages");
  if (count > ROWS) newest.push(pager(1, Math.ceil(count / ROWS)));

  function pager(page, pages) {
    const step = (by, word, rel) => {
      const next = query();
      next.set("page", page + by);
      return element("a", { href: to(next), rel }, word);
    };
    return element("nav", { class: "pager", "aria-label": "Pages of the table" }, page > 1 ? step(-1, "← before", "prev") : null,
      element("span", {}, `page ${page} of ${pages}`), page < pages ? step(1, "next →", "next") : null);
  }

  function cell(value, kind) {
    if (value === null || value === undefined) return [element("span", { class: "faint" }, "–")];
    if (value.s) return [pages.plots.spark(value.s), ` ${value.t}`];
    const all = text(value);
    if (kind === "tags") return all.split(",").flatMap((tag) => [element("span", { class: "badge tag" }, tag), " "]);
    if (kind === "outcome" && all === "failed") return [element("span", { class: "badge failed" }, all)];
    const characters = [...all];
    return characters.length > 80 ? [element("span", { title: all }, `${characters.slice(0, 80).join("")}…`)] : [all];
  }

  function table(rows, columns, asked) {
    const [sort, is_down] = [asked.get("sort"), asked.has("desc")];
    const heading = (column) => {
      const is_sorted = sort === column.name;
      const next = changed("sort", column.name);
      next.delete("desc");
      if (is_sorted && !is_down) next.set("desc", 1);
      return element("th", { scope: "col", class: column.is_number ? "number" : null, "aria-sort": is_sorted ? (is_down ? "descending" : "ascending") : null },
        element("a", { href: to(next) }, column.name));
    };
    const line = (row) => element("tr", {},
      element("td", {}, element("input", { type: "checkbox", name: "r", value: row[0], "aria-label": `Mark ${pages.short(row[0])}` })),
      element("th", { scope: "row" }, pages.link(row[0], row[1])),
      columns.map((column) => element("td", { class: column.is_number ? "number" : null }, ...cell(row[2][column.at] ?? null, column.kind))));
    const made = element("table", { class: "stage" },
      element("thead", {}, element("tr", {}, element("th", {}, element("span", { class: "hidden" }, "Mark")), element("th", { scope: "col" }, "Result"),
        columns.map(heading))),
      element("tbody", {}, rows.map(line)));
    return element("form", {}, element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Results" }, made),
      element("p", { class: "below" }, element("button", { type: "submit" }, "Compare the marked ones")));
  }

  // What differs between marked rows, with the change of each number between two.
  function compared(rows, columns) {
    const change = (column) => {
      const [old, now] = rows.map((row) => number(row[2][column.at] ?? null));
      if (rows.length !== 2 || old === null || now === null || old === now) return "";
      const by = Number((now - old).toPrecision(4)), sign = by < 0 ? "−" : "+";
      return `${sign}${Math.abs(by)}${old ? ` (${sign}${Math.abs((now - old) / old * 100).toFixed(1)} %)` : ""}`;
    };
    const line = (column) => {
      const values = rows.map((row) => JSON.stringify(row[2][column.at] ?? null));
      const is_same = values.every((value) => value === values[0]);
      return element("tr", { class: is_same ? "same" : null }, element("th", { scope: "row" }, column.name),
        rows.map((row) => element("td", {}, ...cell(row[2][column.at] ?? null, column.kind))),
        rows.length === 2 ? element("td", { class: "number" }, change(column)) : null);
    };
    return element("section", {}, element("h2", {}, `${rows.length} results side by side`),
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What differs" }, element("table", {},
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Field"), rows.map((row) => element("th", { scope: "col" }, pages.link(row[0], row[1]))),
          rows.length === 2 ? element("th", { scope: "col" }, "Change") : null)),
        element("tbody", {}, columns.map(line)))),
      element("p", {}, element("a", { href: to(changed("r")) }, "Without the comparison")));
  }

  function plot(rows, columns, asked) {
    const named = (word) => columns.find((column) => column.name === word);
    const [x, y] = [named(asked.get("x")), named(asked.get("y"))];
    if (x && y) return pages.plots.scatter(rows, [x.name, y.name], [x.at, y.at]);
    if (x || y) return pages.plots.overlaid(rows, (x ?? y).name, (x ?? y).at);
    if (asked.get("plot") !== "parallel") return null;
    const chosen = asked.getAll("col");
    const numbers = columns.filter((column) => (chosen.length === 0 || chosen.includes(column.name)) && rows.some((row) => number(row[2][column.at] ?? null) !== null));
    return pages.plots.parallel(rows, numbers.slice(0, 12).map((column) => column.name), numbers.slice(0, 12).map((column) => column.at));
  }

  // Keeps the rows that meet the conditions, in the order that is asked for.
  function arranged(rows, columns, asked) {
    for (const said of asked.getAll("where")) {
      const condition = pages.condition(said);
      const word = said.toLowerCase();
      const column = condition && columns.find((column) => column.name === condition.what);
      // Without tags or notes, there is no column of them.
      if (condition && !column && !["tag", "note"].includes(condition.sign)) throw new Error(`there is no column \`${condition.what}\` among ${columns.map((one) => one.name).join(", ")}`);
      rows = rows.filter((row) => (condition ? column !== undefined && pages.holds(condition, row[2][column.at] ?? null)
        : row[0].includes(word) || row[2].some((value) => value !== null && text(value).toLowerCase().includes(word))));
    }
    if (!asked.has("sort")) return rows;
    const column = columns.find((column) => column.name === asked.get("sort"));
    if (!column) throw new Error(`there is no column \`${asked.get("sort")}\``);
    const by = asked.has("desc") ? -1 : 1;
    const order = (one, other) => {
      const cells = [one, other].map((row) => row[2][column.at] ?? null);
      if (cells.includes(null)) return (cells[0] === null) - (cells[1] === null);
      const [left, right] = cells.map(number);
      if (left !== null && right !== null) return (left - right) * by;
      if (left !== null || right !== null) return ((left === null) - (right === null)) * by;
      return (text(cells[0]) < text(cells[1]) ? -1 : text(cells[0]) > text(cells[1]) ? 1 : 0) * by;
    };
    return [...rows].sort(order);
  }

  let turn = 0;
  async function render() {
    turn += 1;
    const own = turn;
    const asked = query();
    if ([...asked].length === 0) { shown.replaceChildren(...newest); return; }
    const page = Math.max(1, Number(asked.get("page")) || 1);
    const is_whole = ["where", "sort", "x", "y", "plot", "r"].some((key) => asked.has(key));
    shown.setAttribute("aria-busy", "true");
    const parts = [];
    try {
      const at = Math.min(Math.floor((page - 1) * ROWS / pages.SIZE), Math.max(0, Math.ceil(count / pages.SIZE) - 1));
      const blocks = is_whole ? await pages.all(name, count) : [await pages.load(name, at)];
      if (own !== turn) return;
      const columns = blocks[0].columns.map(([name, kind, is_usual, is_number], at) => ({ name, kind, is_usual, is_number, at }));
      const chosen = asked.getAll("col");
      const visible = columns.filter((column) => (chosen.length === 0 ? column.is_usual : chosen.includes(column.name)));
      const all = blocks.flatMap((block) => block.rows);
      const rows = arranged(all, columns, asked);
      const marked = asked.getAll("r").map((rref) => all.find((row) => row[0] === rref)).filter(Boolean);
      const drawn = plot(rows, columns, asked);
      const matching = is_whole ? rows.length : count;
      const first = is_whole ? (page - 1) * ROWS : (page - 1) * ROWS - at * pages.SIZE;
      const there = rows.slice(first, first + ROWS);
      const pages_there = Math.max(1, Math.ceil(matching / ROWS));
      const where = asked.getAll("where");
      if (where.length) {
        parts.push(element("ul", { class: "chips", "aria-label": "Conditions" }, where.map((said) => element("li", {}, element("code", {}, said), " ",
          element("a", { href: to(changed("where", ...where.filter((one) => one !== said))), "aria-label": `Remove the condition ${said}` }, "×")))));
      }
      if (marked.length > 1) parts.push(compared(marked, columns));
      if (drawn) {
        const without = changed("plot");
        for (const key of ["x", "y"]) without.delete(key);
        parts.push(drawn, element("p", {}, element("a", { href: to(without) }, "Without a plot")));
      }
      if (matching < count) parts.push(element("p", { class: "faint", role: "status" }, `${matching} of ${count} results`));
      parts.push(table(there, visible, asked));
      if (there.length === 0) parts.push(element("p", { class: "empty" }, "No result meets the conditions."));
      if (pages_there > 1) parts.push(pager(Math.min(page, pages_there), pages_there));
    } catch (error) {
      if (own !== turn) return;
      parts.push(element("pre", { class: "fault" }, String(error.message)), element("p", {}, element("a", { href: "#" }, "All results")));
    }
    shown.removeAttribute("aria-busy");
    shown.replaceChildren(...parts);
  }

  home.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    if (given.has("where")) return go(changed("where", ...query().getAll("where"), given.get("where").trim()));
    if (given.has("r")) return go(changed("r", ...given.getAll("r")));
    if (given.has("x") || given.has("y")) {
      const next = changed("plot");
      for (const key of ["x", "y"]) {
        next.delete(key);
        if (given.get(key)) next.set(key, given.get(key));
      }
      return go(next);
    }
    if (event.target.querySelector("fieldset")) return go(changed("col", ...given.getAll("col")));
  });
  // Links of the forms have no address in files.
  for (const link of home.querySelectorAll("[data-state]")) link.href = "#";
  home.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-state]");
    if (!chosen) return;
    event.preventDefault();
    const next = query();
    for (const key of ["x", "y", "plot"]) if (chosen.dataset.state !== "col") next.delete(key);
    if (chosen.dataset.state === "col") next.delete("col");
    if (chosen.dataset.state === "parallel") next.set("plot", "parallel");
    go(next);
  });
  window.addEventListener("hashchange", render);
  render();
})();
