import assert from "node:assert/strict";
import { test } from "node:test";

import { Cards } from "../../../exports/static/exports/lib/cards.js";
import { belongsOnPage, milestone, step } from "../../../exports/static/exports/lib/fold.js";
import { percent } from "../../../exports/static/exports/lib/format.js";
import { snapshot } from "./snapshot.mjs";

test("changed numbers patch the card, also if they are lower", () => {
  const shown = snapshot({ rows_done: 50 });

  assert.equal(step(shown, snapshot({ rows_done: 60 })), "patch");
  assert.equal(step(shown, snapshot({ rows_done: 50, rate: 9 })), "patch");
  assert.equal(step(shown, snapshot({ rows_done: 40 })), "patch");
});

test("changed status, stage, attempt or position fetches the card", () => {
  for (const change of [
    { status: "cancelling" },
    { stage: "assembling" },
    { attempt: 2, rows_done: 0 },
    { queue_position: 2 },
    { waits_for: "space" },
  ]) {
    assert.equal(step(snapshot({ rows_done: 5 }), snapshot(change)), "fetch");
  }
});

test("finished exports ignore later snapshots", () => {
  for (const status of ["succeeded", "failed", "cancelled"]) {
    assert.equal(step(snapshot({ status }), snapshot()), "skip");
  }
});

test("page adds active exports and newly finished ones only", () => {
  const made = Date.parse("2026-01-01T12:00:00Z");
  const finished = (at) => snapshot({ status: "succeeded", finished_at: at });

  assert.equal(belongsOnPage(snapshot(), made), true);
  assert.equal(belongsOnPage(finished("2026-01-01T12:00:01Z"), made), true);
  assert.equal(belongsOnPage(finished("2026-01-01T11:59:59Z"), made), false);
});

test("screen readers announce each threshold once", () => {
  const at = (rows_done) => snapshot({ rows_done, rows_total: 100 });
  const heard = [];

  for (let rows = 1; rows <= 99; rows += 1) {
    if (milestone(at(rows - 1), at(rows), percent)) heard.push(rows);
  }

  assert.deepEqual(heard, [25, 50, 75]);
});

test("screen readers announce each change of the status", () => {
  assert.equal(milestone(snapshot({ status: "queued" }), snapshot(), percent), "running");
  assert.equal(milestone(snapshot(), snapshot({ status: "failed" }), percent), "failed");
});

// Returns a page with one card. The test responds to its requests.
function setUp(first = snapshot()) {
  const page = { elements: [], changes: [], requests: [] };
  const cards = new Cards({
    elements: first ? [new Element(first)] : [],
    fetchFragment: (url) => new Promise((answer) => page.requests.push({ url, answer })),
    place: (element, _, old) => page.elements.push({ element, old }),
    onChange: (before, after) => page.changes.push([before?.status, after.status]),
  });
  return { cards, page };
}

class Element {
  constructor(shown, { texts = [], bar = null } = {}) {
    const source = `/exports/${shown.id}/card`;
    this.dataset = { snapshot: JSON.stringify(shown), source };
    Object.assign(this, { texts, bar });
  }

  querySelectorAll() {
    return this.texts;
  }

  querySelector() {
    return this.bar;
  }
}

const answered = () => new Promise((resolve) => setImmediate(resolve));

test("new numbers appear in the card's texts and bar", () => {
  const text = { dataset: { text: "{rows_done} of {rows_total} rows" }, hidden: true };
  const bar = {};
  const page = { changes: [] };
  const cards = new Cards({
    elements: [new Element(snapshot(), { texts: [text], bar })],
    place: () => assert.fail("nothing is replaced"),
    onChange: (before, after) => page.changes.push(after.rows_done),
  });

  cards.update(snapshot({ rows_done: 5, rows_total: 10, version: 2 }));

  assert.equal(text.textContent, "5 of 10 rows");
  assert.equal(text.hidden, false);
  assert.deepEqual(bar, { max: 10, value: 5 });
  assert.deepEqual(page.changes, [5]);
});

test("silent worker shows no speed until its next report", () => {
  const [rate, silent] = ["{rate} rows/s", "No update for {silence}."].map((text) => ({ dataset: { text } }));
  const said = () => [rate.textContent, silent.textContent];
  let now = 0;
  const cards = new Cards({
    elements: [new Element(snapshot({ rate: 5 }), { texts: [rate, silent] })],
    place: () => assert.fail("nothing is replaced"),
    onChange() {},
    now: () => now,
  });

  now = 9_000;
  cards.tick();
  const before = said();
  now = 20_000;
  cards.tick();
  const after = said();
  cards.update(snapshot({ rate: 7, version: 2 }));

  assert.deepEqual(before, ["5 rows/s", ""]);
  assert.deepEqual(after, ["", "No update for 20\u00a0sec."]);
  assert.equal(silent.hidden, true);
  assert.deepEqual(said(), ["7 rows/s", ""]);
});

test("lost connection is not shown as a silent worker", () => {
  const [rate, silent] = ["{rate} rows/s", "No update for {silence}."].map((text) => ({ dataset: { text } }));
  const said = () => [rate.textContent, silent.textContent];
  let now = 0;
  const cards = new Cards({
    elements: [new Element(snapshot({ rate: 5 }), { texts: [rate, silent] })],
    onChange() {},
    now: () => now,
  });

  cards.isConnected = false;
  now = 60_000;
  cards.tick();
  const lost = said();
  cards.isConnected = true;

  assert.deepEqual(lost, ["", ""]);
  assert.deepEqual(said(), ["5 rows/s", ""]);
});

test("new page shows how long a worker has been silent", () => {
  const text = { dataset: { text: "No update for {silence}." } };
  const element = new Element(snapshot(), { texts: [text] });
  element.dataset.silence = "25.5";
  const cards = new Cards({ elements: [element], onChange() {}, now: () => 1000 });

  cards.tick();

  assert.equal(text.textContent, "No update for 25\u00a0sec.");
});

test("queued export never counts as silent", () => {
  const text = { dataset: { text: "No update for {silence}." } };
  let now = 0;
  const elements = [new Element(snapshot({ status: "queued" }), { texts: [text] })];
  const cards = new Cards({ elements, onChange() {}, now: () => now });

  now = 60_000;
  cards.tick();

  assert.equal(text.textContent, undefined);
});

test("bar moves while the file is assembled", () => {
  const bar = {};
  const assembling = { stage: "assembling", rows_done: 10, rows_total: 10 };
  const cards = new Cards({
    elements: [new Element(snapshot({ ...assembling, assembled: 0 }), { bar })],
    place: () => assert.fail("nothing is replaced"),
    onChange() {},
  });

  cards.update(snapshot({ ...assembling, assembled: 0.4, version: 2 }));

  assert.deepEqual(bar, { max: 1, value: 0.4 });
});

test("bar of an export without rows is empty", () => {
  const bar = {};
  const cards = new Cards({
    elements: [new Element(snapshot(), { bar })],
    place: () => assert.fail("nothing is replaced"),
    onChange() {},
  });

  cards.update(snapshot({ rows_total: 0, version: 2 }));

  assert.deepEqual(bar, { max: 1, value: 0 });
});

test("card that is being fetched is not fetched again", () => {
  const { cards, page } = setUp(snapshot({ status: "queued" }));

  cards.refresh("1");
  cards.refresh("1");

  assert.equal(page.requests.length, 1);
});

test("changed texts fetch the card once and replace it", async () => {
  const { cards, page } = setUp();
  const done = snapshot({ status: "succeeded", version: 2 });

  cards.update(done);
  cards.update(done);
  const fresh = new Element(done);
  page.requests[0].answer(fresh);
  await answered();

  assert.deepEqual(page.requests.map(({ url }) => url), ["/exports/1/card"]);
  assert.equal(page.elements[0].element, fresh);
  assert.deepEqual(page.changes, [["running", "succeeded"]]);
});

test("update during a fetch is applied to the fetched card", async () => {
  const { cards, page } = setUp(snapshot({ status: "queued" }));

  cards.update(snapshot({ rows_total: 10, version: 2 }));
  cards.update(snapshot({ rows_total: 10, rows_done: 7, version: 4 }));
  page.requests[0].answer(new Element(snapshot({ rows_total: 10, rows_done: 2, version: 3 })));
  await answered();

  assert.equal(cards.snapshots[0].rows_done, 7);
});

test("newest of several updates during a fetch is applied", async () => {
  const { cards, page } = setUp(snapshot({ status: "queued" }));

  cards.update(snapshot({ rows_done: 2, version: 2 }));
  cards.update(snapshot({ rows_done: 9, version: 5 })); // From the stream that is ahead.
  cards.update(snapshot({ rows_done: 4, version: 3 })); // From the stream that is behind.
  page.requests[0].answer(new Element(snapshot({ rows_done: 2, version: 2 })));
  await answered();

  assert.equal(cards.snapshots[0].rows_done, 9);
});

test("frame older than the fetched card is ignored", async () => {
  const { cards, page } = setUp();
  const again = (rows_done, version) => snapshot({ attempt: 2, rows_done, version });

  cards.update(snapshot({ stage: "assembling", version: 2 }));
  cards.update(snapshot({ rows_done: 8, version: 3 }));
  page.requests[0].answer(new Element(again(3, 5)));
  await answered();
  cards.update(again(1, 5));
  const before = cards.snapshots[0].rows_done;
  cards.update(again(5, 6));

  assert.equal(before, 3);
  assert.equal(cards.snapshots[0].rows_done, 5);
  assert.equal(page.requests.length, 1);
});

test("frame older than the page is ignored", () => {
  const { cards, page } = setUp(snapshot({ rows_done: 8, version: 9 }));

  cards.update(snapshot({ rows_done: 7, version: 8 }));
  cards.update(snapshot({ status: "queued", version: 7 }));

  assert.equal(cards.snapshots[0].rows_done, 8);
  assert.deepEqual([page.changes, page.requests], [[], []]);
});

test("card keeps the label in the language of the page", () => {
  const { cards } = setUp(snapshot({ label: "Flüge" }));

  cards.update(snapshot({ label: "Flights", rows_done: 5, version: 2 }));

  assert.deepEqual([cards.snapshots[0].label, cards.snapshots[0].rows_done], ["Flüge", 5]);
});

// proves: newest-value-wins
test("export on two streams is shown once and never goes back", () => {
  const { cards, page } = setUp(snapshot({ rows_done: 1, version: 1 }));
  const tick = (version) => snapshot({ rows_done: 10 * version, version });

  // The team's stream is ahead of the user's, which later overtakes it.
  for (const version of [2, 3, 2, 4, 3, 4, 5, 6, 5, 6]) cards.update(tick(version));

  assert.deepEqual(page.changes.length, 5);
  assert.equal(cards.snapshots.length, 1);
  assert.equal(cards.snapshots[0].rows_done, 60);
});

test("delayed stream does not bring back an old pause", () => {
  const { cards, page } = setUp(snapshot({ status: "running", version: 7 }));

  cards.update(snapshot({ status: "paused", version: 5 }));
  cards.update(snapshot({ status: "queued", version: 6 }));

  assert.deepEqual(page.requests, []);
});

test("lower versions are new after a restored database", () => {
  const { cards } = setUp(snapshot({ version: 90 }));

  cards.forgetVersions();
  cards.update(snapshot({ rows_done: 5, version: 1 }));

  assert.equal(cards.snapshots[0].rows_done, 5);
});

test("new export is fetched by its link and inserted once", async () => {
  const { cards, page } = setUp(null);
  const fresh = snapshot({ id: "2", links: { self: "/exports/2/" } });

  cards.update(fresh);
  cards.update({ ...fresh, rows_done: 3, version: 2 });
  page.requests[0].answer(new Element(fresh));
  await answered();

  assert.deepEqual(page.requests.map(({ url }) => url), ["/exports/2/card"]);
  assert.equal(page.elements.length, 1);
  assert.equal(page.elements[0].old, undefined);
  assert.equal(cards.snapshots[0].rows_done, 3);
});

test("export that cannot be fetched leaves no card", async () => {
  const { cards, page } = setUp(null);

  cards.update(snapshot({ id: "2" }));
  page.requests[0].answer(null);
  await answered();

  assert.equal(cards.has("2"), false);
  assert.deepEqual(cards.snapshots, []);
});

test("refresh without changes keeps the card's element", async () => {
  const queued = snapshot({ status: "queued", queue_position: 2 });
  const { cards, page } = setUp(queued);

  cards.refresh("1");
  page.requests[0].answer(new Element(queued));
  await answered();

  assert.deepEqual(page.elements, []);
});

test("refresh with a new queue position replaces the card", async () => {
  const { cards, page } = setUp(snapshot({ status: "queued", queue_position: 2 }));

  cards.refresh("1");
  page.requests[0].answer(new Element(snapshot({ status: "queued", queue_position: 1 })));
  await answered();

  assert.equal(page.elements.length, 1);
});
