// Events, values, cursors and acknowledgements: what a client makes of frames.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PROTOCOL } from "../../../notifications/static/notifications/client/socket.js";
import { HEARTBEAT, event, setUp, state } from "./stream_page.mjs";

test("it subscribes from the cursors that the page was rendered with", () => {
  const { socket } = setUp({ subscriptions: { "user-1": "e.10.5", "export-2": null } });

  socket().accept();

  assert.equal(socket().protocol, PROTOCOL);
  assert.deepEqual(socket().sent, [
    { type: "subscribe", streams: { "user-1": "e.10.5", "export-2": null } },
  ]);
});

test("it is live when the server has confirmed every stream", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });

  socket().accept();
  const before = client.status;
  socket().receive({ type: "subscribed", stream: "export-2", cursor: "e.0.0", recovered: true });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

test("after a reconnect it is live only when every stream is confirmed anew", () => {
  const streams = { "user-1": "e.10.5", "export-2": "g.1.1" };
  const { client, clock, socket } = setUp({ subscriptions: streams });
  socket().accept({ streams });

  socket().lose();
  clock.advance(500);
  socket().accept({ streams: { "user-1": "e.10.5" } });

  assert.equal(client.status, "connecting");
});

test("events and states reach the page in their order", () => {
  const { page, socket } = setUp();

  socket().accept();
  socket().receive(event(11), state(6), event(12), state(9));

  assert.deepEqual(page.events, [11, 12]);
  assert.deepEqual(page.states, [6, 9]);
});

test("after a loss it resumes from where it was", () => {
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
test("an event that comes twice is shown once, also after a reconnect", () => {
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
test("an older value never follows a newer one", () => {
  const { page, socket } = setUp();

  socket().accept();
  socket().receive(state(8), state(7), state(8), state(9));

  assert.deepEqual(page.states, [8, 9]);
});

test("a gap is not shown: it comes back and resumes before it", () => {
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

test("a gap that is there again is the server's: it goes on behind it", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(14));

  clock.advance(0);
  socket().accept();
  socket().receive(event(14), event(15));

  assert.equal(page.sockets.length, 2);
  assert.deepEqual(page.events, [11, 14, 15]);
});

test("after a reset lower numbers are news, and the page is told first", () => {
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

test("a cursor that is good is called so on each connection, and one that means nothing is not", () => {
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

test("a connection lost before the reset arrives does not lose the reset", () => {
  const { clock, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });
  socket().receive({ type: "subscribed", stream: "user-1", cursor: "f.0.0", recovered: false });

  socket().lose();
  clock.advance(500);
  socket().accept();

  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.10.5" });
});

test("it acknowledges every 32 frames", () => {
  const { socket } = setUp();
  socket().accept();

  for (let offset = 11; offset < 11 + 70; offset += 1) socket().receive(event(offset));

  assert.deepEqual(
    socket().sentOf("ack").map(({ cursor }) => cursor),
    ["e.42.5", "e.74.5"],
  );
});

test("it acknowledges fewer after a second", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(12));

  clock.advance(999);
  const early = socket().sentOf("ack").length;
  clock.advance(1);

  assert.equal(early, 0);
  assert.deepEqual(socket().sentOf("ack"), [{ type: "ack", stream: "user-1", cursor: "e.12.5" }]);
});

test("frames that trickle in do not put the acknowledgement off", () => {
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

test("a new connection counts its own frames", () => {
  const { clock, socket } = setUp();
  socket().accept();
  for (let offset = 11; offset < 11 + 31; offset += 1) socket().receive(event(offset));

  socket().lose();
  clock.advance(500);
  socket().accept();
  socket().receive(event(42));

  assert.equal(socket().sentOf("ack").length, 0);
});

test("it acknowledges before half of a small window is used", () => {
  const { socket } = setUp();
  socket().accept({ window: 8 });

  socket().receive(event(11), event(12), event(13));

  assert.equal(socket().sentOf("ack").length, 1);
});

test("frames that are old news are acknowledged, too: the server counts them", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11));
  clock.advance(1000);

  socket().receive(event(11));
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 2);
});

test("frames that it does not know are skipped", () => {
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

test("a handler that throws does not stop the stream", () => {
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
