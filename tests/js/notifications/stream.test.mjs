import assert from "node:assert/strict";
import { test } from "node:test";

import { PROTOCOL } from "../../../notifications/static/notifications/client/socket.js";
import { StreamClient } from "../../../notifications/static/notifications/client/stream.js";
import { Clock } from "./clock.mjs";

const HEARTBEAT = 20;

// A client, the sockets that it opened, and what its page was told.
function setUp(options = {}) {
  const clock = new Clock();
  const page = { sockets: [], events: [], states: [], resets: [], statuses: [], errors: [] };
  page.refused = [];
  page.subscribed = [];
  const client = new StreamClient({
    url: "ws://test/ws/streams/",
    subscriptions: { "user-1": "e.10.5" },
    onEvent: (frame) => page.events.push(frame.offset),
    onState: (frame) => page.states.push(frame.revision),
    onReset: (frame) => page.resets.push(frame.stream),
    onSubscribed: (stream) => page.subscribed.push(stream),
    onRefused: (stream, detail) => page.refused.push([stream, detail]),
    onStatus: (status) => page.statuses.push(status),
    ...options,
    env: {
      now: clock.now,
      setTimeout: clock.setTimeout,
      clearTimeout: clock.clearTimeout,
      connect(url, protocol) {
        const socket = new FakeSocket(url, protocol);
        page.sockets.push(socket);
        return socket;
      },
      random: () => 1,
      report: (error) => page.errors.push(error),
      ...options.env,
    },
  });
  client.start();
  return { client, clock, page, socket: () => page.sockets.at(-1) };
}

class FakeSocket {
  constructor(url, protocol) {
    Object.assign(this, { url, protocol, sent: [], isClosed: false });
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  receive(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
  }

  accept({ window = 256, streams = { "user-1": "e.10.5" } } = {}) {
    this.receive({ type: "welcome", protocol: 1, user: 1, window, heartbeat: HEARTBEAT });
    for (const [stream, cursor] of Object.entries(streams)) {
      this.receive({ type: "subscribed", stream, cursor, recovered: true });
    }
  }

  // The connection breaks.
  lose(code = 1006) {
    this.onclose({ code });
  }

  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

const event = (offset, more = {}) => ({
  type: "event",
  stream: "user-1",
  offset,
  cursor: `e.${offset}.5`,
  event: "log",
  data: {},
  ...more,
});

const state = (revision, more = {}) => ({
  type: "state",
  stream: "user-1",
  key: "export-1",
  revision,
  cursor: `e.10.${revision}`,
  data: {},
  ...more,
});

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

test("the waits between attempts double, up to half a minute", () => {
  const { clock, page, socket } = setUp();
  const waits = [];

  for (let attempt = 0; attempt < 8; attempt += 1) {
    socket().accept();
    socket().lose();
    waits.push(untilReopened(clock, page));
  }

  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("a connection that has proven itself starts the back-off anew", () => {
  const { clock, page, socket } = setUp();
  for (let attempt = 0; attempt < 4; attempt += 1) {
    socket().accept();
    socket().lose();
    untilReopened(clock, page);
  }

  socket().accept();
  clock.advance(5000);
  socket().lose();

  assert.equal(untilReopened(clock, page), 500);
});

// Let time pass until the client has opened another socket. How much it was.
function untilReopened(clock, page) {
  const opened = page.sockets.length;
  const since = clock.now();
  while (page.sockets.length === opened) clock.advance(250);
  return clock.now() - since;
}

for (const code of [1000, 1001, 1006, 1011, 1012, 4408]) {
  test(`after close ${code} it comes back`, () => {
    const { clock, page, socket } = setUp();
    socket().accept();

    socket().lose(code);
    clock.advance(500);

    assert.equal(page.sockets.length, 2);
  });
}

for (const [random, wait] of [
  [0, 10_000],
  [1, 18_000],
]) {
  test(`a server that takes no more connections is left alone for ${wait} ms`, () => {
    const { client, clock, page, socket } = setUp({ env: { random: () => random } });
    socket().accept();

    socket().lose(1013);
    const status = client.status;
    clock.advance(wait - 1);
    client.wake();
    const before = page.sockets.length;
    clock.advance(1);

    assert.equal(status, "busy");
    assert.deepEqual([before, page.sockets.length], [1, 2]);
  });
}

test("a client that is refused again and again slows down, and goes on when there is room", () => {
  const { client, clock, page, socket } = setUp();
  const waits = [];

  for (let refusal = 0; refusal < 5; refusal += 1) {
    socket().lose(1013);
    waits.push(untilReopened(clock, page));
  }
  socket().accept();

  assert.deepEqual(waits, [18_000, 26_000, 40_000, 40_000, 40_000]);
  assert.equal(client.status, "live");
});

for (const [code, status] of [
  [4401, "signed-out"],
  [4400, "refused"],
]) {
  test(`after close ${code} it says "${status}" and stops`, () => {
    const { client, clock, page, socket } = setUp();
    socket().accept();

    socket().lose(code);
    clock.advance(600_000);
    client.wake();

    assert.equal(client.status, status);
    assert.equal(page.sockets.length, 1);
  });
}

test("a handshake that is refused because the session is over ends in signed-out", async () => {
  const { client, clock, page, socket } = setUp({ isSignedIn: async () => false });

  socket().lose();
  clock.advance(500);
  await settled();

  assert.equal(client.status, "signed-out");
  assert.equal(page.sockets.length, 1);
});

test("what is found out about the session after the page has moved on is ignored", async () => {
  let answer;
  const { client, clock, socket } = setUp({
    isSignedIn: () => new Promise((resolve) => (answer = resolve)),
  });
  socket().lose();
  clock.advance(500);

  client.wake();
  socket().accept();
  answer(false);
  await settled();

  assert.equal(client.status, "live");
});

test("a server that cannot be asked who is signed in is tried again", async () => {
  const { clock, page, socket } = setUp({
    isSignedIn: async () => {
      throw new TypeError("not reached");
    },
  });

  socket().lose();
  clock.advance(500);
  await settled();

  assert.equal(page.sockets.length, 2);
});

test("a server that does not say who is signed in is tried again", async () => {
  const { clock, page, socket } = setUp({ isSignedIn: () => new Promise(() => {}) });

  socket().lose();
  clock.advance(500);
  await settled();
  const early = page.sockets.length;
  clock.advance(10_000);
  await settled();

  assert.deepEqual([early, page.sockets.length], [1, 2]);
});

test("a connection that is silent for two heartbeats is given up", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();
  const [first] = page.sockets;

  clock.advance(2 * HEARTBEAT * 1000 - 1);
  const before = client.status;
  clock.advance(1);
  clock.advance(500);

  assert.equal(before, "live");
  assert.equal(first.isClosed, true);
  assert.equal(page.sockets.length, 2);
});

test("a heartbeat is enough to keep a connection", () => {
  const { client, clock, socket } = setUp();
  socket().accept();

  for (let beat = 0; beat < 5; beat += 1) {
    clock.advance(HEARTBEAT * 1000);
    socket().receive({ type: "heartbeat", heads: {} });
  }

  assert.equal(client.status, "live");
});

test("a handshake that is never answered is given up", async () => {
  const { clock, page } = setUp();

  clock.advance(10_500);
  await settled();

  assert.equal(page.sockets[0].isClosed, true);
  assert.equal(page.sockets.length, 2);
});

test("what a socket says after it was given up is ignored", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();
  const [first] = page.sockets;
  clock.advance(2 * HEARTBEAT * 1000);
  clock.advance(500);
  socket().accept();

  first.receive(event(11));
  first.lose(4401);

  assert.deepEqual(page.events, []);
  assert.equal(client.status, "live");
});

test("when the network is back it does not sit out the back-off", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();
  socket().lose();

  client.wake();
  const opened = page.sockets.length;
  socket().accept();
  clock.advance(1000);

  assert.equal(opened, 2);
  assert.equal(page.sockets.length, 2);
});

test("when the tab is back it finds out in seconds that the connection died in its sleep", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();

  client.wake();
  clock.advance(10_000);
  clock.advance(500);

  assert.equal(page.sockets[0].sentOf("ping").length, 1);
  assert.equal(page.sockets.length, 2);
});

test("when the tab is back and the server answers, nothing happens", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();

  client.wake();
  socket().receive({ type: "pong", id: "" });
  clock.advance(30_000);

  assert.equal(client.status, "live");
  assert.equal(page.sockets.length, 1);
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

test("a stream that may not be read any more is dropped, and the others go on", () => {
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

test("a stream that is dropped early does not keep the others from being live", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });
  socket().accept({ streams: { "user-1": "e.0.0" } });

  socket().receive({ type: "error", code: "forbidden", detail: "", stream: "user-1" });
  const before = client.status;
  socket().receive({ type: "subscribed", stream: "export-2", cursor: "g.0.0", recovered: true });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

test("a client that has asked for too much at once comes back later", () => {
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

test("a client whose only stream is refused is told so, and takes another", () => {
  const { client, page, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  socket().receive({ type: "error", code: "forbidden", detail: "No.", stream: "user-1" });
  client.subscribe({ "user-2": null });

  assert.deepEqual(page.refused, [["user-1", "No."]]);
  assert.equal(client.status, "live");
  assert.deepEqual(socket().sent.at(-1), { type: "subscribe", streams: { "user-2": null } });
});

test("without a stream it is live when it is welcome", () => {
  const { client, socket } = setUp({ subscriptions: {} });

  const before = client.status;
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  assert.equal(before, "connecting");
  assert.equal(client.status, "live");
});

const subscribed = (stream, cursor) => ({ type: "subscribed", stream, cursor, recovered: true });

test("a stream that is subscribed to later arrives beside the others", () => {
  const { client, page, socket } = setUp();
  socket().accept();

  client.subscribe({ "export-2": "g.4.0" });
  socket().receive(event(11), subscribed("export-2", "g.4.0"));
  socket().receive(event(5, { stream: "export-2", cursor: "g.5.0" }), event(12));

  assert.deepEqual(socket().sent.at(-1), { type: "subscribe", streams: { "export-2": "g.4.0" } });
  assert.deepEqual(page.events, [11, 5, 12]);
  assert.deepEqual(client.cursors, { "user-1": "e.12.5", "export-2": "g.5.0" });
});

test("what is subscribed to before the start and while lost is asked for on connecting", () => {
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

test("a stream that is left is neither heard nor asked for again", () => {
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

test("leaving the one stream that is not confirmed makes the others live", () => {
  const { client, socket } = setUp({ subscriptions: { "user-1": null, "export-2": null } });
  socket().accept();

  client.unsubscribe(["export-2"]);

  assert.equal(client.status, "live");
});

test("subscribed to from an earlier cursor, a stream starts anew from it", () => {
  const { client, page, socket } = setUp();
  socket().accept();
  socket().receive(event(11), event(12));

  client.subscribe({ "user-1": "e.10.5" });
  socket().receive(event(13)); // It was on its way when the server was asked.
  socket().receive(subscribed("user-1", "e.10.5"), event(11), event(12), event(13));

  assert.deepEqual(page.events, [11, 12, 11, 12, 13]);
});

test("subscribed to twice before an answer, only the second answer counts", () => {
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

test("left before the answer, a stream is given back when the answer comes", () => {
  const { client, page, socket } = setUp();
  socket().receive({ type: "welcome", window: 256, heartbeat: HEARTBEAT });

  client.unsubscribe(["user-1"]);
  socket().receive(subscribed("user-1", "e.10.5"), event(11));

  assert.deepEqual(socket().sent.at(-1), { type: "unsubscribe", streams: ["user-1"] });
  assert.deepEqual(page.events, []);
  assert.deepEqual(client.cursors, {});
});

test("a handler may leave its stream, and nothing of it is acknowledged", () => {
  const { client, clock, page, socket } = setUp({ onEvent: () => client.unsubscribe(["user-1"]) });
  socket().accept();

  socket().receive(event(11), event(12));
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
  assert.deepEqual(page.errors, []);
  assert.deepEqual(client.cursors, {});
});

test("asked for anew, nothing from before is acknowledged", () => {
  const { client, clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11));

  client.subscribe({ "user-1": "latest" });
  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
});

test("between a reset and what follows there is nothing to acknowledge", () => {
  const { clock, socket } = setUp();
  socket().accept();
  socket().receive(event(11), { type: "reset", stream: "user-1", reason: "pruned" });

  clock.advance(1000);

  assert.equal(socket().sentOf("ack").length, 0);
});

test("a gap in a stream that was asked for anew is not the one from before", () => {
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

test("a gap after a reset is not the one from before", () => {
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

test("whoever leaves the last stream while the connection is lost is not live", () => {
  const { client, socket } = setUp();
  socket().accept();
  socket().lose();

  client.unsubscribe(["user-1"]);

  assert.equal(client.status, "lost");
});

test("from now on means from where the server said that now was", () => {
  const { clock, client, socket } = setUp({ subscriptions: { "user-1": "latest" } });
  socket().accept({ streams: { "user-1": "e.40.9" } });

  socket().lose();
  clock.advance(500);
  socket().accept({ streams: { "user-1": "e.40.9" } });

  assert.deepEqual(socket().sent[0].streams, { "user-1": "e.40.9" });
  assert.deepEqual(client.cursors, { "user-1": "e.40.9" });
});

test("stopped it closes, and started again it resumes", () => {
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

test("a handler may stop the client, and no timer goes on", () => {
  const { client, clock, page, socket } = setUp({ onEvent: () => client.stop() });
  socket().accept();

  socket().receive(event(11));

  assert.equal(client.status, "stopped");
  assert.equal(clock.pending, 0);
  assert.deepEqual(page.errors, []);
});

function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
