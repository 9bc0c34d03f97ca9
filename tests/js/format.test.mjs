// The same table is held against the server's templates in tests/unit/test_waybill_tags.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as format from "../../exports/static/exports/format.js";
import { snapshot } from "./snapshot.mjs";

const cases = JSON.parse(readFileSync(new URL("format_cases.json", import.meta.url)));

test("numbers are grouped", () => {
  for (const [value, text] of cases.numbers) assert.equal(format.number(value), text);
});

test("sizes are as Django's", () => {
  for (const [bytes, text] of cases.sizes) assert.equal(format.size(bytes), text);
});

test("durations have at most two units, rounded up", () => {
  for (const [seconds, text] of cases.durations) assert.equal(format.duration(seconds), text);
});

test("100 percent means that nothing is missing", () => {
  for (const [rows_done, rows_total, expected] of cases.percents) {
    assert.equal(format.percent({ rows_done, rows_total }), expected);
  }
});

test("a sentence that names something unknown is empty", () => {
  for (const [pattern, fields, text] of cases.sentences) {
    assert.equal(format.fill(pattern, format.values(snapshot(fields))), text);
  }
});

test("who is silent is said to be so, and not how fast it is", () => {
  for (const [pattern, fields, silence, text] of cases.silences) {
    assert.equal(format.fill(pattern, format.values(snapshot(fields), silence)), text);
  }
});

test("where nothing can be heard, nobody is said to be silent", () => {
  const known = format.values(snapshot({ rate: 9, eta: 3 }), Infinity);

  assert.deepEqual([known.rate, known.eta, known.silence], [null, null, null]);
});

test("a bar knows how far it is in each stage", () => {
  for (const [fields, far] of cases.bars) {
    const expected = far && { max: far[0], value: far[1] };
    assert.deepEqual(format.bar(snapshot(fields)), expected);
  }
});

test("the tab says how far its export is", () => {
  const running = snapshot({ rows_done: 37, rows_total: 100 });
  const counting = snapshot({ rows_total: null });
  const finished = snapshot({ status: "succeeded", finished_at: "2026-01-01T00:00:00Z" });

  assert.equal(format.title("Exports", []), "Exports");
  assert.equal(format.title("Exports", [finished]), "Exports");
  assert.equal(format.title("Exports", [running, finished]), "37\u202f% · Exports");
  assert.equal(format.title("Exports", [counting]), "(1) Exports");
  assert.equal(format.title("Exports", [running, counting]), "(2) Exports");
});

test("times have the same shape everywhere", () => {
  const date = new Date(2026, 0, 5, 6, 4, 9);

  assert.equal(format.dateTime(date), "2026-01-05 06:04");
  assert.equal(format.clock(date), "06:04:09");
});
