// A browser that Python drives: one JSON command a line on stdin, one JSON answer a line on stdout.
//   {"call": [method, ...arguments]}  a method of the page;   {"open": {options}}  a new context and page in it
//   {"fulfil": {url, status, body, contentType}}  answers these requests itself, until {"unfulfil": url}
//   {"axe": true} what axe-core finds;   {"seen": true} errors and answers since the last time
// Debian's Chromium under playwright-core; the path is the only argument.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"] });
let context, page;
let errors = [], answers = [];

async function open(options) {
  await context?.close();
  errors = [];
  answers = [];
  context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  context.setDefaultTimeout(15_000);
  page = await context.newPage();
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(`${message.text()} ${message.location().url}`));
  page.on("response", (response) => answers.push([response.status(), response.request().method(), response.url(), response.headers()["x-aurora-node"] ?? ""]));
}

async function run(command) {
  if (command.open) return open(command.open);
  if (command.fulfil) return page.route(command.fulfil.url, (route) => route.fulfill(command.fulfil));
  if (command.unfulfil) return page.unroute(command.unfulfil);
  if (command.cookies) return context.cookies();
  if (command.clearCookies) return context.clearCookies();
  if (command.seen) {
    const out = { errors, answers };
    errors = [];
    answers = [];
    return out;
  }
  if (command.axe) {
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
  }
  const [method, ...args] = command.call;
  const [object, name] = method.includes(".") ? [page[method.split(".")[0]], method.split(".")[1]] : [page, method];
  const value = await object[name](...args);
  return value === null || ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value) || method === "evaluate" ? value : null;
}

console.log(JSON.stringify({ ok: browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { ok: (await run(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { error: String(error).split("\nCall log")[0] };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
