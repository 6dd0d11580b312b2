// Looks at pages in a real Chromium, for tests: `look.mjs FOLDER crawl URL PICTURES [URL..]` follows links from these pages on, takes pictures, and
// prints a line of JSON with all that is wrong; `look.mjs FOLDER watch URL TEXT` opens a page, says so, and waits until it has a text;
// `look.mjs FOLDER use URL STEPS` does the steps of a JSON list, `[what, selector, value]`, and prints what they saw;
// `look.mjs FOLDER picture URL FILE` takes a picture of a page.
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [folder, what, url, more, ...others] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { chromium } = require("playwright-core");
const rules = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const wrong = [];
// How many pages of a kind are looked at.
const MOST = 4;
// Where all that a page asks for has to be: the server, or the folder of the files.
const home = new URL(!url.startsWith("file:") ? "/" : url.includes("/stage/") ? ".." : ".", url).href;

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") wrong.push(`console of ${page.url()}: ${message.text()}`); });
  page.on("pageerror", (error) => wrong.push(`script of ${page.url()}: ${error}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog of ${page.url()}: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => {
    if (!request.url().startsWith(home) && !/^(data|blob):/.test(request.url())) wrong.push(`${page.url()} asks ${request.url()}`);
  });
  return page;
}

// The kind of a page.
function kindOf(at) {
  const [path, search] = at.slice(home.length).split("?");
  const parts = path.split("/");
  const plot = /(^|&)(x|y|plot)=/.test(search ?? "") ? "-plot" : "";
  const kind = parts[0] === "r" && parts[2] === "a" ? `artifact-${parts.at(-1).split(".").at(-1)}` : parts[0] || "overview";
  return kind.replace(/\.html$/, "") + plot;
}

// What is wrong with something that is not looked at.
async function fault(page, at) {
  if (at.startsWith("file:")) return existsSync(fileURLToPath(at)) ? null : "no such file";
  const answer = await page.request.get(at);
  return answer.ok() ? null : answer.status();
}

// What can be reached, in the order of a search in breadth. Of a kind, some are looked at, and the others have to be there.
async function crawl() {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  const seen = new Set([url, ...others]);
  const kinds = new Map();
  const looked = new Map();
  const waiting = [url, ...others];
  let pages = 0;
  while (waiting.length > 0 && pages < 400) {
    const at = waiting.shift();
    pages += 1;
    const kind = kindOf(at);
    looked.set(kind, (looked.get(kind) ?? 0) + 1);
    const found = await fault(page, at);
    if (found) wrong.push(`${at}: ${found}`);
    if (found || ["raw", "log", "files"].includes(kind) || looked.get(kind) > MOST) continue;
    await page.goto(at);
    if (!kinds.has(kind) && page.url() === at) {
      kinds.set(kind, at);
      await page.evaluate(rules);
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false, preload: false, resultTypes: ["violations"] }));
        for (const one of violations) wrong.push(`${scheme} ${at}: ${one.id}: ${one.help}: ${one.nodes.slice(0, 2).map((node) => node.html.slice(0, 160)).join(" | ")}`);
      }
    }
    for (const next of await page.$$eval("a[href], img[src], iframe[src]", (all) => all.map((one) => one.getAttribute("href") !== null ? (one.href.baseVal ?? one.href) : one.src))) {
      const target = new URL(next, at);
      target.hash = "";
      if (!target.href.startsWith(home) || seen.has(target.href)) continue;
      seen.add(target.href);
      waiting.push(target.href);
    }
  }
  await page.context().close();
  mkdirSync(more, { recursive: true });
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    for (const scheme of ["light", "dark"]) {
      const page = await open({ viewport: { width, height }, colorScheme: scheme });
      for (const [kind, at] of kinds) {
        await page.goto(at);
        // Tables and graphs scroll by themselves; the page does not scroll to the side.
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) wrong.push(`${at} is ${over} pixels too wide for ${width}`);
        await page.screenshot({ path: `${more}/${kind}-${width}-${scheme}.png` });
      }
      await page.context().close();
    }
  }
  console.log(JSON.stringify({ pages, kinds: [...kinds.keys()], wrong }));
}

async function watch() {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  console.log("open");
  await page.getByText(more).first().waitFor({ timeout: 120_000 });
  console.log(JSON.stringify({ pages: 1, kinds: [], wrong }));
}

async function use() {
  const page = await open({ viewport: { width: 1280, height: 900 } });
  await page.goto(url);
  const said = [];
  for (const [step, selector, value] of JSON.parse(more)) {
    const found = page.locator(selector);
    if (step === "click") await found.first().click();
    if (step === "check") await found.nth(value).check();
    if (step === "choose") await found.selectOption(value);
    if (step === "enter") { await found.fill(value); await found.press("Enter"); }
    if (step === "wait") await found.first().waitFor();
    if (step === "count") said.push(String(await found.count()));
    if (step === "text") said.push(await found.first().innerText());
    if (step === "rules") {
      await page.evaluate(rules);
      const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false, preload: false, resultTypes: ["violations"] }));
      for (const one of violations) wrong.push(`${page.url()}: ${one.id}: ${one.nodes.slice(0, 2).map((node) => node.html.slice(0, 160)).join(" | ")}`);
    }
  }
  console.log(JSON.stringify({ pages: 1, kinds: [], said, wrong }));
}

async function picture() {
  const page = await open({ viewport: { width: 1120, height: 760 }, colorScheme: "light" });
  await page.goto(url);
  await page.screenshot({ path: more });
  console.log(JSON.stringify({ pages: 1, kinds: [], wrong }));
}

await { crawl, watch, use, picture }[what]();
await browser.close();
