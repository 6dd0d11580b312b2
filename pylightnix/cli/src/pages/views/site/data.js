// Blocks of data in files, loaded by elements: no page in a file may fetch another file. And what is made of them in every page.
"use strict";
const pages = (() => {
  const own = document.currentScript.src;
  const root = own.slice(0, own.lastIndexOf("/") + 1);
  const loaded = new Map(), waiting = new Map();
  const made = (made, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    // What is from outside is text.
    made.append(...children.flat().filter((child) => child !== null));
    return made;
  };
  const element = (tag, attributes = {}, ...children) => made(document.createElement(tag), attributes, children);
  const drawing = (tag, attributes = {}, ...children) => made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  // The file of a block calls this.
  const block = (name, at, data) => { loaded.set(`${name}.${at}`, data); };
  const load = (name, at) => {
    const key = `${name}.${at}`;
    if (!waiting.has(key)) {
      waiting.set(key, new Promise((done, failed) => {
        const script = element("script", { src: `${root}data/${key}.js` });
        script.addEventListener("load", () => (loaded.has(key) ? done(loaded.get(key)) : failed(new Error(`data/${key}.js has other data`))));
        script.addEventListener("error", () => { waiting.delete(key); failed(new Error(`the file data/${key}.js is not there`)); });
        document.head.append(script);
      }));
    }
    return waiting.get(key);
  };
  const SIZE = 1000;
  const all = (name, count) => Promise.all(Array.from({ length: Math.max(1, Math.ceil(count / SIZE)) }, (_, at) => load(name, at)));

  const short = (rref) => {
    const [record, config] = rref.slice("rref:".length).split("-");
    return `${config.slice(0, 8)}/${record.slice(0, 8)}`;
  };
  const address = (rref, is_there) => (is_there ? `${root}r/${rref.replaceAll(":", "-")}.html` : null);
  const link = (rref, is_there) => element("a", { class: "ref", href: address(rref, is_there), title: rref }, short(rref));

  // The number in a cell: it is one, has one, or is a series.
  const number = (cell) => {
    if (typeof cell === "number") return cell;
    if (cell === null || typeof cell !== "object") return null;
    return cell.s ? (cell.s.at(-1) ?? null) : cell.v;
  };
  const text = (cell) => (typeof cell === "object" && cell !== null ? cell.t : String(cell));

  // A condition as in `find`: a column, a sign, a value; or `tag:` or `note:` with a word. `null` if it is none.
  const condition = (said) => {
    const remark = said.match(/^\s*(tag|note):(.*)$/s);
    if (remark) return { what: `${remark[1]}s`, sign: remark[1], value: remark[2].trim() };
    const parts = said.match(/^([^=!<>~]+)(==|!=|<=|>=|=|<|>|~)(.*)$/s);
    if (!parts || !parts[1].trim()) return null;
    let value = parts[3].trim();
    try {
      const read = JSON.parse(value);
      value = typeof read === "number" ? read : typeof read === "string" ? read : value;
    } catch { /* It is a text without quotes. */ }
    return { what: parts[1].trim(), sign: parts[2], value };
  };
  const order = (one, other) => {
    const [left, right] = [number(one), number(other)];
    if (left !== null && right !== null) return left - right;
    if (left !== null || right !== null) return NaN;
    const [first, second] = [text(one), text(other)];
    return first < second ? -1 : first > second ? 1 : 0;
  };
  const holds = ({ sign, value }, cell) => {
    if (cell === null || cell === undefined) return sign === "!=";
    if (sign === "tag") return text(cell).split(",").includes(value);
    if (sign === "note") return text(cell).toLowerCase().includes(value.toLowerCase());
    if (sign === "~") return text(cell).includes(String(value));
    const by = order(cell, value);
    return { "=": by === 0, "==": by === 0, "!=": by !== 0, "<": by < 0, "<=": by <= 0, ">": by > 0, ">=": by >= 0 }[sign];
  };

  document.body.classList.add("scripted");
  return { root, element, drawing, block, load, all, SIZE, short, address, link, number, text, condition, holds };
})();
