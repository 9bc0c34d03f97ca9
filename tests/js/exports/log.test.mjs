// The log on a page: its text, its lines, their heights, and requests for earlier lines.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { earlierLines } from "../../../exports/static/exports/log/earlier.js";
import { Heights } from "../../../exports/static/exports/log/heights.js";
import { Lines, firstIndex, nextFound } from "../../../exports/static/exports/log/lines.js";
import {
  entry,
  pattern,
  pieces,
  printable,
  severity,
} from "../../../exports/static/exports/log/text.js";

const cases = JSON.parse(readFileSync(new URL("log_cases.json", import.meta.url)));

// -- Text ------------------------------------------------------------------------------------

test("copied entries equal those of a download", () => {
  for (const { line, text } of cases.entries) assert.equal(entry(line), text);
});

test("control characters are replaced and others are kept", () => {
  const every = String.fromCharCode(...Array(0xa0).keys());

  assert.equal(printable(every).length, every.length);
  assert.deepEqual(printable(every).match(/\p{Cc}/gu), ["\t", "\n"]);
  assert.equal(printable(printable("a\r\nb\x1b")), "a\nb\u241b");
});

test("unknown levels are neither warnings nor errors", () => {
  const levels = ["DEBUG", "INFO", "NOTICE", "", "WARNING", "ERROR", "CRITICAL"];

  assert.deepEqual(levels.map(severity), [0, 0, 0, 0, 1, 2, 2]);
});

test("search is literal and ignores case", () => {
  assert.deepEqual(pieces("a.b A.B axb", pattern("a.b")), ["", "a.b", " ", "A.B", " axb"]);
  assert.deepEqual(pieces("ÄRGER ärger", pattern("ärg")), ["", "ÄRG", "ER ", "ärg", "er"]);
  const odd = "\\^$.*+?()[]{}|-/";
  assert.deepEqual(pieces(odd, pattern(odd)), ["", odd, ""]);
  assert.deepEqual(pieces("all of it", pattern("")), ["all of it"]);
});

// -- Lines -----------------------------------------------------------------------------------

const line = (offset, level = "INFO") => ({ offset, level, message: `line ${offset}` });
const range = (first, last) =>
  Array.from({ length: last - first + 1 }, (_, index) => line(first + index));
const offsets = ({ shown }) => shown.map(({ offset }) => offset);
const found = (lines) => lines.found.map((index) => lines.shown[index].offset);

test("repeated lines are added once", () => {
  const lines = new Lines();

  lines.append(range(1, 3));
  lines.append(range(2, 5));

  assert.deepEqual(offsets(lines), [1, 2, 3, 4, 5]);
});

test("earlier lines are inserted in order before the page's", () => {
  const lines = new Lines();

  lines.append(range(7, 8));
  lines.insert(range(1, 3));
  lines.append([line(9)]);
  lines.insert(range(4, 6));

  assert.deepEqual(offsets(lines), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("cleared log accepts the same offsets again", () => {
  const lines = new Lines();
  lines.append(range(4, 5));
  lines.insert(range(1, 3));

  lines.clear();
  lines.append(range(1, 2));
  lines.insert([]);

  assert.deepEqual(offsets(lines), [1, 2]);
});

test("filter and search apply to later and earlier lines", () => {
  const lines = new Lines();
  lines.append([line(20, "ERROR"), line(21)]);
  lines.filter(1);
  lines.search("LINE 2");

  lines.append([line(22, "WARNING"), line(23), line(30, "ERROR")]);
  lines.insert([line(2, "CRITICAL"), line(3, "ERROR"), line(4)]);

  assert.deepEqual(offsets(lines), [2, 3, 20, 22, 30]);
  assert.deepEqual(found(lines), [2, 20, 22]);
  lines.filter(0);
  assert.deepEqual(found(lines), [2, 20, 21, 22, 23]);
  lines.search("");
  assert.deepEqual(found(lines), []);
});

test("search continues from a line and around the end", () => {
  const places = [3, 5, 9];

  assert.deepEqual([0, 3, 4, 9].map((from) => nextFound(places, from, 1)), [0, 1, 1, 0]);
  assert.deepEqual([0, 3, 4, 9].map((from) => nextFound(places, from, -1)), [2, 2, 0, 1]);
  assert.deepEqual([0, 3, 4, 10].map((from) => nextFound(places, from, 0)), [0, 0, 1, 0]);
  assert.equal(nextFound([], 4, 1), -1);
});

test("binary search finds the first index or the end", () => {
  assert.deepEqual([0, 1, 4, 9].map((least) => firstIndex([1, 4, 8], (n) => n >= least)), [0, 0, 1, 3]);
});

// -- Heights ---------------------------------------------------------------------------------

// A simple implementation for comparison.
class Plain {
  constructor(estimate, count) {
    this.estimate = estimate;
    this.all = Array(count).fill(estimate);
  }
  set(index, height) {
    this.all[index] = height;
  }
  grow(count) {
    while (this.all.length < count) this.all.push(this.estimate);
  }
  top(index) {
    return this.all.slice(0, index).reduce((sum, height) => sum + height, 0);
  }
  at(y) {
    let index = 0;
    while (index < this.all.length - 1 && this.top(index + 1) <= y) index += 1;
    return index;
  }
}

test("heights add up for any measurements and counts", () => {
  let seed = 1;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;

  for (const count of [1, 2, 7, 8, 9, 33]) {
    const plain = new Plain(20, count);
    const heights = new Heights(20, count);
    for (let step = 0; step < 200; step += 1) {
      const now = plain.all.length;
      if (step % 20 === 19) for (const each of [plain, heights]) each.grow(now + 1 + (step % 3));
      const [index, height] = [random(now), 20 * (1 + random(5))];
      for (const each of [plain, heights]) each.set(index, height);

      const y = random(plain.top(now) + 100) - 50;
      assert.equal(heights.top(index), plain.top(index));
      assert.equal(heights.total, plain.top(plain.all.length));
      assert.equal(heights.at(y), plain.at(y), `at ${y} of ${plain.all}`);
    }
  }
});

test("window is the view with a margin, within the ends", () => {
  const heights = new Heights(20, 100);
  heights.set(10, 200); // Its line extends from 200 to 400.

  assert.deepEqual(heights.window(380, 99, 0), [10, 15]);
  assert.deepEqual(heights.window(380, 100, 59), [10, 18]);
  assert.deepEqual(heights.window(0, 100, 60), [0, 9]);
  assert.deepEqual(heights.window(9999, 100, 60), [99, 100]);
  assert.deepEqual(new Heights(20, 0).window(0, 100, 60), [0, 0]);
});

// -- Earlier lines ---------------------------------------------------------------------------

// Returns an API with `count` lines in pages of `size`.
function api(count, size) {
  const requests = [];
  const ask = async (url) => {
    requests.push(url);
    const after = Number(/after=(\d+)/.exec(url)?.[1] ?? 0);
    const lines = range(after + 1, Math.min(after + size, count));
    return { lines, cursor: String(after + lines.length), more: lines.length === size, reset: null };
  };
  return { ask, requests };
}

async function all(answers) {
  const lines = [];
  for await (const each of answers) lines.push(...each);
  return lines.map(({ offset }) => offset);
}

test("all lines before the page's are fetched once", async () => {
  for (const [first, size] of [[8, 3], [7, 3], [2, 100], [10, 1]]) {
    const { ask } = api(12, size);

    const lines = await all(earlierLines("/log", first, ask));

    assert.deepEqual(lines, range(1, first - 1).map(({ offset }) => offset));
  }
});

test("log of usual length needs one request", async () => {
  const { ask, requests } = api(10_000, 10_000);

  await all(earlierLines("/log", 9_901, ask));

  assert.deepEqual(requests, ["/log?limit=10000"]);
});

test("lines after a reset are ignored", async () => {
  const { ask } = api(12, 3);
  const then = async (url) => ({ ...(await ask(url)), reset: url.includes("after") && "epoch" });

  assert.deepEqual(await all(earlierLines("/log", 12, then)), [1, 2, 3]);
});
