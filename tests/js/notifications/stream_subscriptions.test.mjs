// Streams that a client subscribes to, leaves, or may not read.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HEARTBEAT, event, setUp } from "./stream_page.mjs";

test("forbidden stream is dropped, and the others continue", () => {
  const { client, clock, page, socket } = setUp({
    subscriptions: { "user-1": "e.10.5", "export-2": null },
  });
  socket().accept();

  socket().receive({ type: "error", code: "forbidden", detail: "", stream: "export-2" });
  socket().receive(event(11));
  socket().lose();
  clock.advance(500);
  socket().accept();

  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.11.5" });
  assert.deepEqual(page.events, [11]);
  assert.equal(client.status, "live");
});

test("stream dropped early does not delay the live status", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });
  socket().accept({ streams: { "user-1": "e.0.0" } });

  socket().receive({ type: "error", code: "forbidden", detail: "", stream: "user-1" });
  const before = client.status;
  socket().receive({ type: "subscribed", stream: "export-2", cursor: "g.0.0", recovered: true });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

test("client over a rate limit reconnects later", () => {
  const { clock, page, socket } = setUp({ subscriptions: { "user-1": "e.10.5" } });
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  socket().receive({ type: "error", code: "bad_frame", detail: "Too many.", stream: null });
  clock.advance(17_000);
  assert.equal(page.sockets.length, 1);
  assert.equal(page.statuses.at(-1), "lost");
  clock.advance(1000);

  assert.equal(page.sockets.length, 2);
  assert.deepEqual(page.refused, []);
});

test("client with its only stream refused can take another", () => {
  const { client, page, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  socket().receive({ type: "error", code: "forbidden", detail: "No.", stream: "user-1" });
  client.subscribe({ "user-2": null });

  assert.deepEqual(page.refused, [["user-1", "No."]]);
  assert.equal(client.status, "live");
  assert.deepEqual(socket().sent.at(-1), { type: "subscribe", streams: { "user-2": null } });
});

test("client without streams is live after the welcome frame", () => {
  const { client, socket } = setUp({ subscriptions: {} });

  const before = client.status;
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

const subscribed = (stream, cursor) => ({ type: "subscribed", stream, cursor, recovered: true });

test("stream added later arrives beside the others", () => {
  const { client, page, socket } = setUp();
  socket().accept();

  client.subscribe({ "export-2": "g.4.0" });
  socket().receive(event(11), subscribed("export-2", "g.4.0"));
  socket().receive(event(5, { stream: "export-2", cursor: "g.5.0" }), event(12));

  assert.deepEqual(socket().sent.at(-1), { type: "subscribe", streams: { "export-2": "g.4.0" } });
  assert.deepEqual(page.events, [11, 5, 12]);
  assert.deepEqual(client.cursors, { "user-1": "e.12.5", "export-2": "g.5.0" });
});

test("streams added without a connection are requested later", () => {
  const { client, clock, socket } = setUp();
  client.stop();
  client.subscribe({ "export-2": null });
  client.start();
  socket().accept({ streams: { "user-1": "e.10.5", "export-2": "g.0.0" } });
  const first = socket().sent[0].streams;

  socket().lose();
  client.subscribe({ "export-3": "latest" });
  client.unsubscribe(["export-2"]);
  clock.advance(500);
  socket().accept();

  assert.deepEqual(first, { "user-1": "e.10.5", "export-2": null });
  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.10.5", "export-3": "latest" });
});

test("left stream is ignored and not requested again", () => {
  const { client, clock, page, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });
  socket().accept({ streams: { "user-1": "e.10.5", "export-2": "g.0.0" } });

  client.unsubscribe(["user-1"]);
  socket().receive(event(11));
  const sent = socket().sent.at(-1);
  socket().lose();
  clock.advance(500);
  socket().accept({ streams: {} });

  assert.deepEqual(sent, { type: "unsubscribe", streams: ["user-1"] });
  assert.deepEqual(page.events, []);
  assert.deepEqual(socket().sent[0].streams, { "export-2": "g.0.0" });
});

test("leaving the only unconfirmed stream makes the client live", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });
  socket().accept();

  client.unsubscribe(["export-2"]);

  assert.equal(client.status, "live");
});

test("subscription from an earlier cursor restarts from it", () => {
  const { client, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(12));

  client.subscribe({ "user-1": "e.10.5" });
  socket().receive(event(13)); // In transit when the client subscribed again.
  socket().receive(subscribed("user-1", "e.10.5"), event(11), event(12), event(13));

  assert.deepEqual(page.events, [11, 12, 11, 12, 13]);
});

test("second subscription makes the first reply irrelevant", () => {
  const { client, page, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  client.subscribe({ "user-1": null });
  const early = socket().sentOf("subscribe").length;
  socket().receive(subscribed("user-1", "e.10.5"), event(11));
  socket().receive(subscribed("user-1", "e.0.0"), event(1), event(2));

  assert.equal(early, 1);
  assert.deepEqual(socket().sentOf("subscribe").at(-1).streams, { "user-1": null });
  assert.deepEqual(page.events, [1, 2]);
});

test("stream left before the reply is unsubscribed after it", () => {
  const { client, page, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  client.unsubscribe(["user-1"]);
  socket().receive(subscribed("user-1", "e.10.5"), event(11));

  assert.deepEqual(socket().sent.at(-1), { type: "unsubscribe", streams: ["user-1"] });
  assert.deepEqual(page.events, []);
  assert.deepEqual(client.cursors, {});
});

test("left stream is not acknowledged", () => {
  const { client, clock, page, socket } = setUp({ onEvent: () => client.unsubscribe(["user-1"]) });
  socket().accept();

  socket().receive(event(11), event(12));
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
  assert.deepEqual(page.errors, []);
  assert.deepEqual(client.cursors, {});
});

test("new subscription does not acknowledge earlier frames", () => {
  const { client, clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11));

  client.subscribe({ "user-1": "latest" });
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
});

test("no frame is acknowledged directly after a reset", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11), { type: "reset", stream: "user-1", reason: "pruned" });

  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
});

test("gap in a new subscription counts as a new gap", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(14));
  clock.advance(0);
  socket().accept({ streams: { "user-1": "e.11.5" } });

  client.subscribe({ "user-1": "e.10.5" });
  socket().receive(subscribed("user-1", "e.10.5"), event(11), event(14));
  clock.advance(0);

  assert.equal(page.sockets.length, 3);
  assert.deepEqual(page.events, [11, 11]);
});

test("gap after a reset counts as a new gap", () => {
  const { clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(14));
  clock.advance(0);
  socket().accept();
  socket().receive({ type: "reset", stream: "user-1", reason: "epoch" });

  socket().receive(event(11), event(14));
  clock.advance(0);

  assert.equal(page.sockets.length, 3);
  assert.deepEqual(page.events, [11, 11]);
});

test("client without streams is not live while lost", () => {
  const { client, socket } = setUp();
  socket().accept();
  socket().lose();

  client.unsubscribe(["user-1"]);

  assert.equal(client.status, "lost");
});

test("\"latest\" resumes from the server's first cursor", () => {
  const { clock, client, socket } = setUp({ subscriptions: { "user-1": "latest" } });
  socket().accept({ streams: { "user-1": "e.40.9" } });

  socket().lose();
  clock.advance(500);
  socket().accept({ streams: { "user-1": "e.40.9" } });

  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.40.9" });
  assert.deepEqual(client.cursors, { "user-1": "e.40.9" });
});

test("stopped client closes and resumes when started again", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11));

  client.stop();
  clock.advance(600_000);
  const whileStopped = page.sockets.length;
  client.start();
  socket().accept();

  assert.equal(page.sockets[0].isClosed, true);
  assert.equal(whileStopped, 1);
  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.11.5" });
});

test("handler may stop the client, and no timer remains", () => {
  const { client, clock, page, socket } = setUp({ onEvent: () => client.stop() });
  socket().accept();

  socket().receive(event(11));

  assert.equal(client.status, "stopped");
  assert.equal(clock.pending, 0);
  assert.deepEqual(page.errors, []);
});
