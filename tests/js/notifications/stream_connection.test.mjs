// A connection that is lost, refused or silent: when the client opens another.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HEARTBEAT, event, setUp } from "./stream_page.mjs";

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

// proves: connections-per-user-limited
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

function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
