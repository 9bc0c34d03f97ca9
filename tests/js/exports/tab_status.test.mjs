// The title and icon of a tab. format.test.mjs tests titles with the progress.

import assert from "node:assert/strict";
import { test } from "node:test";

import { hasJustEnded, iconName, iconUrl, tabTitle } from "../../../exports/static/exports/dashboard/tab_status.js";
import { snapshot } from "./snapshot.mjs";

const WORDS = {
  succeeded: "✓ {label} is ready",
  failed: "✗ {label} has failed",
  several: "{sentence}, and {count} more",
};

const ended = (status, label = "Flights") => snapshot({ status, label });
const running = (rows_done, rows_total = 1000) => snapshot({ rows_done, rows_total });

test("icon has at most nine steps during an export", () => {
  const names = new Set();
  for (let rows = 0; rows <= 1000; rows += 1) names.add(iconName([running(rows)], []));

  assert.deepEqual([...names], ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
});

test("icon shows the sum of all counted active exports", () => {
  assert.equal(iconName([running(500), running(0)], []), "2");
  assert.equal(iconName([running(500), running(0, null)], []), "4");
  assert.equal(iconName([running(7, null)], []), "some");
  assert.equal(iconName([running(0, 0)], []), "some");
  assert.equal(iconName([running(1001)], []), "8");
});

test("page without active exports has the plain icon", () => {
  assert.equal(iconName([], []), "plain");
  assert.equal(iconName([ended("succeeded"), ended("failed"), ended("cancelled")], []), "plain");
});

test("ended exports precede active ones, failures first", () => {
  const ready = ended("succeeded");
  const failed = ended("failed", "Planes");

  assert.equal(iconName([running(500)], [ready]), "succeeded");
  assert.equal(iconName([running(500)], [failed, ready]), "failed");
  assert.equal(tabTitle("Exports", [running(500)], [ready], WORDS), "✓ Flights is ready");
  assert.equal(
    tabTitle("Exports", [], [failed, ready, ready], WORDS),
    "✗ Planes has failed, and 2 more",
  );
});

test("title shows the progress if no export has ended", () => {
  assert.equal(tabTitle("Exports", [running(370)], [], WORDS), "37% · Exports");
});

test("end of an export counts once, and a cancellation never", () => {
  assert.equal(hasJustEnded(running(1), ended("succeeded")), true);
  assert.equal(hasJustEnded(running(1), ended("failed")), true);
  assert.equal(hasJustEnded(null, ended("succeeded")), true);
  assert.equal(hasJustEnded(running(1), ended("cancelled")), false);
  assert.equal(hasJustEnded(running(1), running(2)), false);
  assert.equal(hasJustEnded(ended("succeeded"), ended("succeeded")), false);
});

test("each icon is different, and the plain one is the page's", () => {
  const names = ["succeeded", "failed", "some", "0", "1", "4", "8"];
  const pictures = names.map((name) => iconUrl(name, "/waybill.svg"));

  assert.equal(iconUrl("plain", "/waybill.svg"), "/waybill.svg");
  assert.equal(new Set(pictures).size, names.length);
  for (const each of pictures) assert.match(each, /^data:image\/svg\+xml,%3Csvg[^<>"#]*svg%3E$/);
});

test("special characters in a label stay unchanged", () => {
  const odd = ended("succeeded", "{count} $& {label}");

  assert.equal(tabTitle("Exports", [], [odd], WORDS), "✓ {count} $& {label} is ready");
  assert.equal(
    tabTitle("Exports", [], [odd, odd], WORDS),
    "✓ {count} $& {label} is ready, and 1 more",
  );
});
