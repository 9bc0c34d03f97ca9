// Reconnects after a connection is lost, refused or silent.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HEARTBEAT, event, setUp } from "./stream_page.mjs";

test("waits between attempts double up to half a minute", () => {
  const { clock, page, socket } = setUp();
  const waits = [];

  for (let attempt = 0; attempt < 8; attempt += 1) {
    socket().accept();
    socket().lose();
    waits.push(untilReopened(clock, page));
  }

  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("stable connection resets the back-off", () => {
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

// Lets time pass until the client opens another socket. Returns how much.
function untilReopened(clock, page) {
  const opened = page.sockets.length;
  const since = clock.now();
  while (page.sockets.length === opened) clock.advance(250);
  return clock.now() - since;
}

for (const code of [1000, 1001, 1006, 1011, 1012, 4408]) {
  test(`client reconnects after close code ${code}`, () => {
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
  test(`full server gets no request for ${wait} ms`, () => {
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

// proves: connections-per-user-limited
test("refused client slows down and continues when there is room", () => {
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
  test(`client stops with "${status}" after close code ${code}`, () => {
    const { client, clock, page, socket } = setUp();
    socket().accept();

    socket().lose(code);
    clock.advance(600_000);
    client.wake();

    assert.equal(client.status, status);
    assert.equal(page.sockets.length, 1);
  });
}

test("handshake refused without a session ends in signed-out", async () => {
  const { client, clock, page, socket } = setUp({ isSignedIn: async () => false });

  socket().lose();
  clock.advance(500);
  await settled();

  assert.equal(client.status, "signed-out");
  assert.equal(page.sockets.length, 1);
});

test("late result of a session check is ignored", async () => {
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

test("failed session check leads to another attempt", async () => {
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

test("session check without a response leads to another attempt", async () => {
  const { clock, page, socket } = setUp({ isSignedIn: () => new Promise(() => {}) });

  socket().lose();
  clock.advance(500);
  await settled();
  const early = page.sockets.length;
  clock.advance(10_000);
  await settled();

  assert.deepEqual([early, page.sockets.length], [1, 2]);
});

test("connection silent for two heartbeats is lost", () => {
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

test("heartbeat alone keeps a connection", () => {
  const { client, clock, socket } = setUp();
  socket().accept();

  for (let beat = 0; beat < 5; beat += 1) {
    clock.advance(HEARTBEAT * 1000);
    socket().receive({ type: "heartbeat", heads: {} });
  }

  assert.equal(client.status, "live");
});

test("handshake without a response times out", async () => {
  const { clock, page } = setUp();

  clock.advance(10_500);
  await settled();

  assert.equal(page.sockets[0].isClosed, true);
  assert.equal(page.sockets.length, 2);
});

test("frames of an abandoned socket are ignored", () => {
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

test("returned network reconnects without a wait", () => {
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

test("visible tab detects a dead connection within seconds", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();

  client.wake();
  clock.advance(10_000);
  clock.advance(500);

  assert.equal(page.sockets[0].sentOf("ping").length, 1);
  assert.equal(page.sockets.length, 2);
});

test("visible tab keeps a connection that responds", () => {
  const { client, clock, page, socket } = setUp();
  socket().accept();

  client.wake();
  socket().receive({ type: "pong", id: "" });
  clock.advance(30_000);

  assert.equal(client.status, "live");
  assert.equal(page.sockets.length, 1);
});

function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
