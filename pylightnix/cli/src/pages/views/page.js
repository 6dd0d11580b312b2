// What pages do beside what they show without scripts: live runs, numbers that are being read, zoom of graphs, and keys.
"use strict";
(() => {
  const live = document.querySelector("[data-live]");
  if (live) {
    const events = new EventSource(live.dataset.live);
    // The server has escaped what is in it.
    events.addEventListener("state", (event) => { live.innerHTML = event.data; });
    events.addEventListener("end", () => { events.close(); delete live.dataset.live; });
  }

  // Numbers that are being read: how far, and all of them in the end.
  const reading = document.querySelector("[data-reading]");
  const follow = async () => {
    const said = await (await fetch(reading.dataset.reading)).text();
    if (said) {
      reading.textContent = said;
      setTimeout(follow, 400);
      return;
    }
    const main = document.querySelector("main");
    const whole = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    // Nothing goes away under the reader's hands.
    if (main.querySelector("input[name=r]:checked") || document.activeElement?.closest("main input, main select")) {
      const link = document.createElement("a");
      link.href = location.href;
      link.textContent = "All numbers are read: show them";
      reading.replaceChildren(link);
    } else main.replaceChildren(...whole.querySelector("main").childNodes);
  };
  if (reading) setTimeout(follow, 400);

  for (const graph of document.querySelectorAll("main > .graph")) {
    const drawing = graph.querySelector("svg");
    const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
    let scale = 1;
    const zoom = (by, x, y) => {
      const next = Math.min(8, Math.max(0.05, scale * by));
      const left = (graph.scrollLeft + x) * next / scale - x, top = (graph.scrollTop + y) * next / scale - y;
      scale = next;
      drawing.setAttribute("width", width * scale);
      drawing.setAttribute("height", height * scale);
      graph.scrollTo(left, top);
    };
    graph.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = graph.getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    graph.addEventListener("keydown", (event) => {
      const by = { "+": 1.25, "=": 1.25, "-": 0.8 }[event.key];
      if (by) zoom(by, graph.clientWidth / 2, graph.clientHeight / 2);
      if (event.key === "0") zoom(1 / scale, 0, 0);
    });
    let from = null;
    graph.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("a")) from = [event.clientX + graph.scrollLeft, event.clientY + graph.scrollTop];
    });
    window.addEventListener("pointermove", (event) => { if (from) graph.scrollTo(from[0] - event.clientX, from[1] - event.clientY); });
    window.addEventListener("pointerup", () => { from = null; });
  }

  // Pictures side by side, or on each other.
  for (const pair of document.querySelectorAll(".pair")) {
    const label = document.createElement("label");
    label.className = "slide";
    const range = document.createElement("input");
    range.type = "range";
    range.value = 100;
    label.append("Lay the second on the first ", range);
    pair.before(label);
    range.addEventListener("input", () => {
      pair.classList.toggle("over", range.value < 100);
      pair.lastElementChild.querySelector("img").style.clipPath = range.value < 100 ? `inset(0 0 0 ${range.value}%)` : "";
      pair.firstElementChild.querySelector("figcaption").hidden = range.value < 100;
    });
  }

  // In files, small tables are sorted and filtered here; those of stages have a script of their own.
  if (document.body.classList.contains("file")) {
    for (const table of document.querySelectorAll("main table")) {
      const body = table.tBodies[0];
      if (!body || body.rows.length < 3 || table.closest("[data-rows]")) continue;
      const label = document.createElement("label");
      label.className = "sift";
      const input = document.createElement("input");
      input.type = "search";
      label.append("Only rows with ", input);
      (table.closest(".scroll") ?? table).before(label);
      input.addEventListener("input", () => {
        const word = input.value.toLowerCase();
        for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(word);
      });
      for (const [at, heading] of [...table.tHead.rows[0].cells].entries()) {
        if (!heading.textContent.trim() || heading.querySelector(".hidden")) continue;
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = heading.textContent;
        heading.replaceChildren(button);
        heading.removeAttribute("aria-sort");
        let is_down = true;
        button.addEventListener("click", () => {
          is_down = !is_down;
          const key = (row) => row.cells[at].dataset.value ?? row.cells[at].querySelector("time")?.dateTime ?? row.cells[at].textContent.trim();
          const order = (one, other) => {
            const [left, right] = [key(one), key(other)], by = Number(left) - Number(right);
            return (left && right && !Number.isNaN(by) ? by : left.localeCompare(right)) * (is_down ? -1 : 1);
          };
          body.append(...[...body.rows].sort(order));
          for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
          heading.setAttribute("aria-sort", is_down ? "descending" : "ascending");
        });
      }
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    const search = document.getElementById("q");
    if (search) { event.preventDefault(); search.focus(); }
  });
})();
