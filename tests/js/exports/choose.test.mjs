// The parts of the form for columns and filters that do not need a DOM.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { columnOrder, fieldsToRestore, restoreFields, saveFields } from "../../../exports/static/exports/choose/form_state.js";
import { Debounced } from "../../../exports/static/exports/choose/debounced.js";
import { indexAfterKey, indexAt, matches } from "../../../exports/static/exports/choose/order.js";

test("dropped item goes before the first item below it", () => {
  const middles = [10, 30, 50];

  assert.deepEqual([0, 9, 10, 31, 50, 99].map((y) => indexAt(middles, y)), [0, 0, 1, 2, 3, 3]);
  assert.equal(indexAt([], 5), 0);
});

function setUp() {
  const requests = [];
  const shown = [];
  const debounced = new Debounced({
    load: (signal) => new Promise((answer) => requests.push({ signal, answer })),
    show: (html) => shown.push(html),
    pauseMs: 400,
  });
  return { requests, shown, debounced };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("several changes in a short time cause one request", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { requests, debounced } = setUp();

  for (let change = 0; change < 5; change += 1) {
    debounced.request();
    mock.timers.tick(399);
  }
  assert.equal(requests.length, 0);
  mock.timers.tick(1);

  assert.equal(requests.length, 1);
});

test("outdated request is aborted and its response never shown", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { requests, shown, debounced } = setUp();

  debounced.request();
  mock.timers.tick(400);
  debounced.request();
  assert.ok(requests[0].signal.aborted);
  mock.timers.tick(400);
  requests[1].answer("new");
  await settled();
  requests[0].answer("old");
  await settled();

  assert.deepEqual(shown, ["new"]);
});

test("missing response is reported for the last request only", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { requests, shown, debounced } = setUp();

  for (let count = 0; count < 3; count += 1) {
    debounced.request();
    mock.timers.tick(400);
  }
  for (const { answer } of requests) answer(null);
  await settled();

  assert.deepEqual(shown, [null]);
});

test("busy server gets the next request after a longer pause", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { requests, debounced } = setUp();

  debounced.request(3_000);
  mock.timers.tick(2_999);
  assert.equal(requests.length, 0);
  mock.timers.tick(1);

  assert.equal(requests.length, 1);
});

test("key moves a column by one or to an end", () => {
  const keys = ["ArrowUp", "ArrowDown", "Home", "End", "Enter", "a"];

  assert.deepEqual(keys.map((key) => indexAfterKey(key, 1, 4)), [0, 2, 0, 3, null, null]);
  assert.deepEqual(keys.map((key) => indexAfterKey(key, 0, 4)), [null, 1, null, 3, null, null]);
  assert.deepEqual(keys.map((key) => indexAfterKey(key, 3, 4)), [2, null, 0, null, null, null]);
});

test("column is found by parts of its name or header", () => {
  const texts = ["carrier__name", "Airline"];

  for (const wanted of ["", "  ", "name", "AIRLINE", "air name"]) assert.ok(matches(texts, wanted));
  for (const wanted of ["x", "name x"]) assert.ok(!matches(texts, wanted));
});

const option = (value, selected = false) => ({ value, selected });

function form() {
  return [
    { name: "", type: "fieldset" },
    { name: "csrfmiddlewaretoken", type: "hidden", value: "secret" },
    { name: "filter-month", type: "number", value: "1" },
    { name: "filter-late", type: "select-one", value: "true", options: [option("true")] },
    {
      name: "filter-origin",
      type: "select-multiple",
      options: [option("EWR", true), option("JFK"), option("LGA", true)],
    },
    { name: "", type: "search", value: "dep" },
    { name: "column", type: "checkbox", value: "id", checked: true },
    { name: "header-id", type: "text", value: "No." },
    { name: "move", type: "submit", value: "id up" },
    { name: "column", type: "checkbox", value: "speed", checked: false },
    { name: "header-speed", type: "text", value: "" },
    { name: "format", type: "radio", value: "csv", checked: false },
    { name: "format", type: "radio", value: "xlsx", checked: true },
    { name: "delimiter", type: "select-one", value: ";", options: [option(";")], disabled: true },
  ];
}

test("saved fields are restored in any order of the columns", () => {
  const kept = structuredClone(saveFields(form()));
  const [fields, chosen] = [form(), form()];
  for (const field of fields) {
    if (field.type === "hidden") field.value = "another";
    else if (field.options) field.options.forEach((each) => (each.selected = !each.selected));
    if ("checked" in field) field.checked = !field.checked;
    else if (field.name && field.type !== "hidden" && field.type !== "submit") field.value = "";
  }
  fields.reverse();
  chosen.find((field) => field.type === "hidden").value = "another";

  restoreFields(fields, kept);

  const said = (all) => JSON.stringify(saveFields(all).sort());
  assert.equal(said(fields), said(chosen));
  assert.equal(fields.find((field) => field.type === "hidden").value, "another");
  assert.deepEqual(columnOrder(kept), ["id", "speed"]);
});

test("fields are restored only for the user who comes back", () => {
  const fields = saveFields(form());
  const state = { another: "part", choice: { user: "7", fields } };

  assert.equal(fieldsToRestore(state, "7", "back_forward"), fields);
  assert.equal(fieldsToRestore(state, "8", "back_forward"), null);
  for (const type of ["navigate", "reload", "prerender"]) {
    assert.equal(fieldsToRestore(state, "7", type), null);
  }
  for (const none of [null, {}, { choice: fields }]) {
    assert.equal(fieldsToRestore(none, "7", "back_forward"), null);
  }
});

test("secrets and buttons are not saved", () => {
  assert.ok(!/secret|csrf|move|dep/.test(JSON.stringify(saveFields(form()))));
});

test("missing fields and options are not restored", () => {
  const list = { name: "team", type: "select-one", value: "", options: [option("")] };
  const box = { name: "gzip", type: "checkbox", value: "on", checked: true };

  restoreFields([list, box], [["team", "select-one", "7"], ["gzip", "text", "x"], ["gone", "text", "x"]]);

  assert.equal(list.value, "");
  assert.deepEqual([box.value, box.checked], ["on", true]);
});
