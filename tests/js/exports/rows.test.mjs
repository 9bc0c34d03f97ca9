// The column "Rows" in the admin's list. tests/integration/exports/admin/test_export_list.py checks
// the same texts of the server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { mostRows, rowsText } from "../../../exports/static/exports/admin/rows.js";
import { snapshot } from "./snapshot.mjs";

test("rows have a total until the export is ready", () => {
  assert.equal(rowsText(snapshot({ status: "running", rows_done: 20, rows_total: 1000 }), 20), "20 / 1,000");
  assert.equal(rowsText(snapshot({ status: "running", rows_done: 0, rows_total: null }), 0), "0");
  assert.equal(rowsText(snapshot({ status: "succeeded", rows_done: 0, rows_total: 0 }), 0), "0");
  assert.equal(rowsText(snapshot({ status: "succeeded", rows_done: 1000, rows_total: 1000 }), 1000), "1,000");
});

test("failed export shows its highest number of rows", () => {
  let most = mostRows(snapshot({ status: "running", rows_done: 600, rows_again: 0 }), "0");
  most = mostRows(snapshot({ status: "queued", rows_done: 0, rows_again: 600 }), String(most));
  const cancelled = snapshot({ status: "cancelled", rows_done: 0, rows_again: 0, rows_total: 1000 });
  most = mostRows(cancelled, String(most));

  assert.equal(rowsText(cancelled, most), "600 / 1,000");
  assert.equal(rowsText(snapshot({ status: "failed", rows_done: 0, rows_total: null }), 600), "600");
});

test("export that failed before its first row shows nothing", () => {
  assert.equal(rowsText(snapshot({ status: "failed", rows_done: 0, rows_total: 1000 }), 0), "");
});
