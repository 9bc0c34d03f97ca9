// Events, values, cursors and acknowledgements of a client.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PROTOCOL } from "../../../notifications/static/notifications/client/socket.js";
import { HEARTBEAT, event, setUp, state } from "./stream_page.mjs";

test("client subscribes from the cursors of the page", () => {
  const { socket } = setUp({ subscriptions: { "user-1": "e.10.5", "export-2": null } });

  socket().accept();

  assert.equal(socket().protocol, PROTOCOL);
  assert.deepEqual(socket().sent, [
    { type: "subscribe", streams: { "user-1": "e.10.5", "export-2": null } },
  ]);
});

test("client is live when every stream is confirmed", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });

  socket().accept();
  const before = client.status;
  socket().receive({ type: "subscribed", stream: "export-2", cursor: "e.0.0", recovered: true });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

test("reconnected client is live when streams are confirmed again", () => {
  const streams = { "user-1": "e.10.5", "export-2": "g.1.1" };
  const { client, clock, socket } = setUp({ subscriptions: streams });
  socket().accept({ streams });

  socket().lose();
  clock.advance(500);
  socket().accept({ streams: { "user-1": "e.10.5" } });

  assert.equal(client.status, "connecting");
});

test("events and states arrive in order", () => {
  const { page, socket } = setUp();

  socket().accept();
  socket().receive(event(11), state(6), event(12), state(9));

  assert.deepEqual(page.events, [11, 12]);
  assert.deepEqual(page.states, [6, 9]);
});

test("client resumes from its cursors after a loss", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(12));

  socket().lose();
  clock.advance(500);
  socket().accept({ streams: { "user-1": "e.12.5" } });
  socket().receive(event(13));

  assert.equal(page.sockets.length, 2);
  assert.deepEqual(socket().sent[0], { type: "subscribe", streams: { "user-1": "e.12.5" } });
  assert.deepEqual(page.events, [11, 12, 13]);
  assert.deepEqual(page.statuses, ["connecting", "live", "lost", "connecting", "live"]);
});

// proves: stream-once-in-order
test("duplicate events are dropped, also after a reconnect", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(11), event(12), event(11));

  socket().lose();
  clock.advance(500);
  socket().accept();
  socket().receive(event(12), event(13));

  assert.deepEqual(page.events, [11, 12, 13]);
});

// proves: newest-value-wins
test("older value after a newer one is dropped", () => {
  const { page, socket } = setUp();

  socket().accept();
  socket().receive(state(8), state(7), state(8), state(9));

  assert.deepEqual(page.states, [8, 9]);
});

test("gap causes a reconnect from before it", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(14));
  const [first] = page.sockets;

  clock.advance(0);
  socket().accept();
  socket().receive(event(12), event(13), event(14));

  assert.equal(first.isClosed, true);
  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.11.5" });
  assert.deepEqual(page.events, [11, 12, 13, 14]);
});

test("gap that stays after a reconnect is accepted", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(14));

  clock.advance(0);
  socket().accept();
  socket().receive(event(14), event(15));

  assert.equal(page.sockets.length, 2);
  assert.deepEqual(page.events, [11, 14, 15]);
});

test("reset is reported before lower offsets arrive", () => {
  const { client, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), state(6));

  socket().receive({ type: "reset", stream: "user-1", reason: "epoch" });
  const atReset = client.cursors;
  socket().receive(state(1, { cursor: "f.0.1" }), event(1, { cursor: "f.1.1" }));

  assert.deepEqual(page.resets, ["user-1"]);
  assert.deepEqual(atReset, { "user-1": null });
  assert.deepEqual(page.events, [11, 1]);
  assert.deepEqual(page.states, [6, 1]);
  assert.deepEqual(client.cursors, { "user-1": "f.1.1" });
});

test("only valid cursors are confirmed, on each connection", () => {
  const { clock, page, socket } = setUp({ subscriptions: { "user-1": "e.10.5", "user-2": "old.1.1" } });
  socket().accept();
  socket().receive({ type: "subscribed", stream: "user-2", cursor: "e.0.0", recovered: false });
  const first = [...page.subscribed];

  socket().lose();
  clock.advance(500);
  socket().accept();

  assert.deepEqual(first, ["user-1"]);
  assert.deepEqual(page.subscribed, ["user-1", "user-1"]);
});

test("reset still arrives if the connection is lost before it", () => {
  const { clock, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });
  socket().receive({ type: "subscribed", stream: "user-1", cursor: "f.0.0", recovered: false });

  socket().lose();
  clock.advance(500);
  socket().accept();

  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.10.5" });
});

test("client acknowledges every 32 frames", () => {
  const { socket } = setUp();
  socket().accept();

  for (let offset = 11; offset < 11 + 70; offset += 1) socket().receive(event(offset));

  assert.deepEqual(
    socket().sentOf("ack").map(({ cursor }) => cursor),
    ["e.42.5", "e.74.5"],
  );
});

test("client acknowledges fewer frames after a second", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(12));

  clock.advance(999);
  const early = socket().sentOf("ack").length;
  clock.advance(1);

  assert.equal(early, 0);
  assert.deepEqual(socket().sentOf("ack"), [{ type: "ack", stream: "user-1", cursor: "e.12.5" }]);
});

test("single frames do not delay the acknowledgement", () => {
  const { clock, socket } = setUp();
  socket().accept();

  for (let offset = 11; offset <= 14; offset += 1) {
    socket().receive(event(offset));
    clock.advance(400);
  }

  assert.deepEqual(
    socket().sentOf("ack").map(({ cursor }) => cursor),
    ["e.13.5"],
  );
});

test("new connection starts its own count of frames", () => {
  const { clock, socket } = setUp();
  socket().accept();
  for (let offset = 11; offset < 11 + 31; offset += 1) socket().receive(event(offset));

  socket().lose();
  clock.advance(500);
  socket().accept();
  socket().receive(event(42));

  assert.equal(socket().sentOf("ack").length, 0);
});

test("client acknowledges before half of a small window is used", () => {
  const { socket } = setUp();
  socket().accept({ window: 8 });

  socket().receive(event(11), event(12), event(13));

  assert.equal(socket().sentOf("ack").length, 1);
});

test("duplicate frames are acknowledged, too", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11));
  clock.advance(1000);

  socket().receive(event(11));
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 2);
});

test("unknown frames are skipped", () => {
  const { client, page, socket } = setUp();
  socket().accept();

  socket().onmessage({ data: "not JSON" });
  socket().onmessage({ data: "null" });
  socket().receive({ type: "constructor" }, { type: "from the future", stream: "user-1" });
  socket().receive(event(11, { stream: "somebody-else" }), event(11));

  assert.deepEqual(page.events, [11]);
  assert.deepEqual(page.errors, []);
  assert.equal(client.status, "live");
});

test("handler that throws does not stop the stream", () => {
  const seen = [];
  const { client, page, socket } = setUp({
    onEvent({ offset }) {
      seen.push(offset);
      if (offset === 11) throw new Error("the page's mistake");
    },
  });
  socket().accept();

  socket().receive(event(11), event(12));

  assert.deepEqual(seen, [11, 12]);
  assert.equal(page.errors.length, 1);
  assert.deepEqual(client.cursors, { "user-1": "e.12.5" });
});
