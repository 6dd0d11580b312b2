// Plots in files, drawn as the server draws them.
"use strict";
pages.plots = (() => {
  const { drawing, element, number } = pages;
  const WIDTH = 640, HEIGHT = 240, LEFT = 64, BOTTOM = 26, TOP = 10, RIGHT = 12, COLOURS = 8;
  const shortened = (value) => Math.round(value * 10) / 10;
  const said = (value) => String(Number(value.toPrecision(4)));

  const axis = (values) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (Number.isFinite(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    }
    if (low > high) [low, high] = [0, 1];
    if (low === high) {
      const around = low === 0 ? 1 : Math.abs(low) / 2;
      [low, high] = [low - around, high + around];
    }
    // Half of each, as the difference may be above the largest number.
    const place = (value) => Math.min(1, Math.max(0, (value / 2 - low / 2) / (high / 2 - low / 2)));
    const ticks = (count) => {
      const raw = (high - low) / count;
      if (!Number.isFinite(raw) || raw <= 0) return [low, high];
      const power = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((step) => step * power).find((step) => step >= raw) ?? raw;
      const first = Math.ceil(low / step);
      return Array.from({ length: 20 }, (_, at) => (first + at) * step).filter((tick) => tick <= high + step * 1e-9);
    };
    return { low, high, place, ticks };
  };
  const area = (xs, ys) => {
    const [x, y] = [axis(xs), axis(ys)];
    const point = (across, up) => [LEFT + x.place(across) * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y.place(up) * (HEIGHT - BOTTOM - TOP)];
    const axes = drawing("g", { class: "axes" },
      y.ticks(4).map((tick) => {
        const [, top] = point(x.low, tick);
        return [drawing("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: shortened(top), y2: shortened(top) }),
          drawing("text", { x: LEFT - 6, y: shortened(top + 4), "text-anchor": "end" }, said(tick))];
      }).flat(),
      x.ticks(6).map((tick) => drawing("text", { x: shortened(point(tick, y.low)[0]), y: HEIGHT - 8, "text-anchor": "middle" }, said(tick))));
    return { point, axes };
  };
  // A line through places, broken where one is missing.
  const path = (places) => {
    let [way, is_down] = ["", false];
    for (const place of places) {
      if (place) way += `${is_down ? "L" : "M"}${shortened(place[0])},${shortened(place[1])}`;
      is_down = place !== null;
    }
    return way;
  };
  const named = (row, mark, label = pages.short(row[0])) =>
    drawing("a", { href: pages.address(row[0], row[1]), "aria-label": label, tabindex: row[1] ? null : -1 }, mark, drawing("title", {}, label));
  const framed = (label, ...inside) => drawing("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label }, ...inside);
  const every = (items, most) => {
    const step = Math.max(1, Math.ceil(items.length / most));
    return items.filter((_, at) => at % step === 0);
  };
  const figure = (caption, plot, drawn, of) => element("figure", { class: "big" }, element("figcaption", {}, ...caption), plot,
    drawn < of ? element("p", { class: "faint" }, `drawn are ${drawn} of ${of}`) : null);
  const strong = (word) => element("strong", {}, word);

  const scatter = (rows, [x, y], [across, up]) => {
    const there = rows.filter((row) => Number.isFinite(number(row[2][across])) && Number.isFinite(number(row[2][up])));
    const drawn = every(there, 2000);
    const { point, axes } = area(drawn.map((row) => number(row[2][across])), drawn.map((row) => number(row[2][up])));
    const points = drawn.map((row) => {
      const [left, top] = point(number(row[2][across]), number(row[2][up]));
      const label = `${pages.short(row[0])}: ${number(row[2][up])} at ${number(row[2][across])}`;
      return named(row, drawing("circle", { cx: shortened(left), cy: shortened(top), r: 4 }), label);
    });
    return figure([strong(y), " over ", strong(x)], framed(`${y} over ${x}`, axes, points), drawn.length, there.length);
  };
  const overlaid = (rows, name, at) => {
    const there = rows.filter((row) => row[2][at]?.s);
    const drawn = every(there, 500);
    const steps = ({ s, n }) => s.map((value, place) => [place * (n - 1) / Math.max(1, s.length - 1), value]);
    const lines = drawn.map((row) => steps(row[2][at]));
    const { point, axes } = area(lines.flat().map((one) => one[0]), lines.flat().map((one) => one[1]));
    const paths = drawn.map((row, place) => named(row, drawing("path", { class: `line c${place % COLOURS}`,
      d: path(lines[place].map(([step, value]) => (value === null ? null : point(step, value)))) })));
    return figure([strong(name), " over its steps"], framed(`${name} of each result`, axes, paths), drawn.length, there.length);
  };
  const parallel = (rows, names, places) => {
    const drawn = every(rows, 500);
    const ranges = places.map((at) => axis(drawn.map((row) => number(row[2][at]) ?? NaN)));
    const left = (at) => LEFT + at / Math.max(1, names.length - 1) * (WIDTH - 2 * LEFT);
    const top = (at, value) => HEIGHT - BOTTOM - ranges[at].place(value) * (HEIGHT - BOTTOM - 2 * TOP);
    const lines = drawn.map((row) => named(row, drawing("path", { class: "line c0", d: path(places.map((place, at) => {
      const value = number(row[2][place]);
      return value === null ? null : [left(at), top(at, value)];
    })) })));
    const axes = names.map((name, at) => [
      drawing("line", { x1: shortened(left(at)), x2: shortened(left(at)), y1: 2 * TOP, y2: HEIGHT - BOTTOM }),
      drawing("text", { x: shortened(left(at)), y: HEIGHT - 4, "text-anchor": "middle" }, name),
      drawing("text", { x: shortened(left(at) + 4), y: 2 * TOP - 4 }, said(ranges[at].high)),
      drawing("text", { x: shortened(left(at) + 4), y: HEIGHT - BOTTOM - 4 }, said(ranges[at].low))]);
    return figure(["Numbers of each result"], framed("Numbers of each result", drawing("g", { class: "over" }, lines),
      drawing("g", { class: "axes" }, axes.flat())), drawn.length, rows.length);
  };
  const spark = (values) => {
    const range = axis(values);
    const places = values.map((value, at) => (value === null ? null : [1 + at / Math.max(1, values.length - 1) * 78, 17 - range.place(value) * 14]));
    return drawing("svg", { class: "spark", viewBox: "0 0 80 20", "aria-hidden": "true" }, drawing("path", { d: path(places) }));
  };
  return { scatter, overlaid, parallel, spark };
})();
