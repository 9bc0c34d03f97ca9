import assert from "node:assert/strict";
import { test } from "node:test";

import { fullJitter } from "../../../notifications/static/notifications/lib/backoff.js";
import { Position } from "../../../notifications/static/notifications/client/position.js";
import { settle } from "../../../notifications/static/notifications/lib/settle.js";
import { Clock } from "./clock.mjs";

test("back-off is random below a ceiling that doubles", () => {
  assert.equal(fullJitter(0, () => 0), 0);
  assert.equal(fullJitter(0, () => 1), 500);
  assert.equal(fullJitter(3, () => 0.5), 2000);
  assert.equal(fullJitter(1000, () => 1), 30_000);
});

test("cursor identifies old frames before the first frame", () => {
  const position = new Position("a-b_c.10.5");

  assert.equal(position.judge({ type: "event", offset: 10 }), "old");
  assert.equal(position.judge({ type: "event", offset: 11 }), "next");
  assert.equal(position.judge({ type: "event", offset: 12 }), "gap");
  assert.equal(position.judge({ type: "state", revision: 5 }), "old");
  assert.equal(position.judge({ type: "state", revision: 7 }), "next");
});

for (const cursor of [null, "latest", "not ours"]) {
  test(`first frame from ${cursor} may have any number`, () => {
    const position = new Position(cursor);

    assert.equal(position.judge({ type: "event", offset: 11 }), "next");
    assert.equal(position.judge({ type: "state", revision: 1 }), "next");
    assert.equal(position.cursor, cursor);
  });
}

test("offsets must not have gaps, and revisions may", () => {
  const position = new Position("e.10.5");
  position.advance({ type: "event", offset: 11, cursor: "e.11.5" });
  position.advance({ type: "state", revision: 6, cursor: "e.11.6" });

  assert.equal(position.judge({ type: "event", offset: 11 }), "old");
  assert.equal(position.judge({ type: "event", offset: 12 }), "next");
  assert.equal(position.judge({ type: "event", offset: 13 }), "gap");
  assert.equal(position.judge({ type: "state", revision: 6 }), "old");
  assert.equal(position.judge({ type: "state", revision: 60 }), "next");
  assert.equal(position.cursor, "e.11.6");
});

function settled() {
  const clock = new Clock();
  const shown = [];
  return { clock, shown, say: settle((status) => shown.push(status), clock) };
}

test("connection lost for less than a second is not shown", () => {
  const { clock, shown, say } = settled();
  say("live");

  say("lost");
  clock.advance(300);
  say("connecting");
  clock.advance(699);
  say("live");
  clock.advance(10_000);

  assert.deepEqual(shown, ["live"]);
});

test("lasting loss is shown after a second until it is over", () => {
  const { clock, shown, say } = settled();
  say("live");

  say("lost");
  clock.advance(1000);
  say("connecting");
  say("lost");
  say("live");

  assert.deepEqual(shown, ["live", "lost", "connecting", "lost", "live"]);
});

test("second loss has its own second before it is shown", () => {
  const { clock, shown, say } = settled();
  say("live");
  say("lost");
  clock.advance(900);
  say("live");

  say("lost");
  clock.advance(900);

  assert.deepEqual(shown, ["live"]);
});

test("final status is shown at once", () => {
  const { shown, say } = settled();
  say("live");

  say("lost");
  say("signed-out");

  assert.deepEqual(shown, ["live", "signed-out"]);
});
