// tests/unit/exports/templatetags/test_waybill.py checks the server's formatting with the same cases.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as format from "../../../exports/static/exports/lib/format.js";
import { locale } from "../../../notifications/static/notifications/lib/locale.js";
import { snapshot } from "./snapshot.mjs";

const cases = JSON.parse(readFileSync(new URL("format_cases.json", import.meta.url)));

const languages = Object.entries(cases.languages);

test("numbers have separators of thousands", () => {
  for (const [lang, { numbers }] of languages) {
    for (const [value, text] of numbers) assert.equal(format.number(value, lang), text);
  }
});

test("durations have at most two units and are rounded up", () => {
  for (const [lang, { durations }] of languages) {
    for (const [seconds, text] of durations) assert.equal(format.duration(seconds, lang), text);
  }
});

test("100 percent means that no row is missing", () => {
  for (const [rows_done, rows_total, expected] of cases.percents) {
    assert.equal(format.percent({ rows_done, rows_total }), expected);
  }
});

test("pattern with an unknown value is empty", () => {
  for (const [lang, { sentences }] of languages) {
    for (const [pattern, fields, text] of sentences) {
      assert.equal(format.fill(pattern, format.values(snapshot(fields), 0, lang)), text);
    }
  }
});

test("silent worker has a silence and no speed", () => {
  for (const [pattern, fields, silence, text] of cases.silences) {
    assert.equal(format.fill(pattern, format.values(snapshot(fields), silence)), text);
  }
});

test("lost connection has neither a silence nor a speed", () => {
  const known = format.values(snapshot({ rate: 9, eta: 3 }), Infinity);

  assert.deepEqual([known.rate, known.eta, known.silence], [null, null, null]);
});

test("bar has a value in each stage", () => {
  for (const [fields, far] of cases.bars) {
    const expected = far && { max: far[0], value: far[1] };
    assert.deepEqual(format.bar(snapshot(fields)), expected);
  }
});

test("title of the tab has the progress", () => {
  const running = snapshot({ rows_done: 37, rows_total: 100 });
  const counting = snapshot({ rows_total: null });
  const finished = snapshot({ status: "succeeded", finished_at: "2026-01-01T00:00:00Z" });

  assert.equal(format.title("Exports", []), "Exports");
  assert.equal(format.title("Exports", [finished]), "Exports");
  assert.equal(format.title("Exports", [running, finished]), "37% · Exports");
  assert.equal(format.title("Exports", [counting]), "(1) Exports");
  assert.equal(format.title("Exports", [running, counting]), "(2) Exports");
});

test("dates are the same as without scripts", () => {
  for (const [lang, { moments }] of languages) {
    for (const [at, text] of moments) {
      assert.equal(format.dateTime(new Date(at), lang).replace("\u202f", " "), text);
    }
  }
});

test("dates follow the locale, and clock times do not", () => {
  const date = new Date(2026, 0, 5, 6, 4, 9);

  assert.equal(format.dateTime(date, "en-GB"), "5 Jan 2026, 06:04");
  assert.equal(format.clock(date), "06:04:09");
});

test("locale is the reader's variant of the page's language", () => {
  assert.equal(locale("en", ["de-AT", "en-GB", "en-US"]), "en-GB");
  assert.equal(locale("de", ["de-AT", "en-GB"]), "de-AT");
  assert.equal(locale("de", ["en-GB", "de"]), "de");
  assert.equal(locale("de", ["en-GB", "den-DE"]), "de");
});
