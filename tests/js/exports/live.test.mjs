// Following streams on a page, with a fake page and browser.

import assert from "node:assert/strict";
import { registerHooks } from "node:module";
import { test } from "node:test";

// The static files of both apps are served from one directory.
registerHooks({
  resolve: (name, context, next) =>
    next(name.replace(/^\.\.\/\.\.\/notifications\//, "../../../../notifications/static/notifications/"), context),
});

const sockets = [];
const listeners = new Map(); // event -> handlers
let answer = {};
let buttons = [];

function listen(name, handler) {
  listeners.set(name, [...(listeners.get(name) ?? []), handler]);
}

function dispatch(name, event = {}) {
  for (const handler of listeners.get(name) ?? []) handler(event);
}

class FakeSocket {
  readyState = 0;

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    sockets.push(this);
  }

  send() {}

  close() {
    this.readyState = 3;
  }
}

Object.assign(globalThis, {
  WebSocket: FakeSocket,
  addEventListener: listen,
  document: { hidden: false, addEventListener: listen, querySelectorAll: () => buttons },
  location: { href: "https://waybill.test/exports/?page=2" },
  fetch: async () => answer,
});
const { follow } = await import("../../../exports/static/exports/lib/live.js");

const notice = (when) => ({ hidden: true, dataset: { when } });

const settled = () => new Promise((resolve) => setImmediate(resolve));

async function open() {
  sockets.length = 0;
  listeners.clear();
  const children = [notice("connecting lost"), notice("signed-out refused"), notice("busy")];
  const dataset = { socket: "/ws/streams/", user: "1", streams: '{"user-1": "e.7.0"}' };
  follow({ dataset, children }, {});
  await settled(); // No handler is called before follow() has returned.
  return children;
}

test("socket uses the page's host, and TLS if the page does", async () => {
  await open();

  assert.equal(sockets[0].url, "wss://waybill.test/ws/streams/");

  dispatch("pagehide");
});

test("page closes its socket when left and reopens it later", async () => {
  await open();

  dispatch("pagehide");
  const left = sockets[0].readyState;
  dispatch("pageshow", { persisted: false }); // The first event of each page.
  const before = sockets.length;
  dispatch("pageshow", { persisted: true });

  assert.deepEqual([left, before, sockets.length], [3, 1, 2]);

  dispatch("pagehide");
});

for (const name of ["online", "visibilitychange", "resume"]) {
  test(`lost socket is reopened at once on ${name}`, async () => {
    await open();
    answer = { type: "basic" };
    sockets[0].onclose({ code: 1006 });
    await settled();

    dispatch(name);

    assert.equal(sockets.length, 2);
    dispatch("pagehide");
  });
}

test("page over the connection limit says so and waits", async () => {
  const [lost, , busy] = await open();

  sockets[0].onclose({ code: 1013 });
  dispatch("online");

  assert.deepEqual([lost.hidden, busy.hidden], [true, false]);
  assert.equal(sockets.length, 1);
  dispatch("pagehide");
});

test("signed-out page disables buttons and stops reconnecting", { timeout: 10_000 }, async () => {
  buttons = [false, true].map((disabled) => ({ disabled, dataset: {} }));
  const [lost, over] = await open();
  const before = buttons.map(({ disabled }) => disabled);
  answer = { type: "opaqueredirect" };

  sockets[0].onclose({ code: 1006 });
  while (over.hidden) await settled(); // The session is checked after a wait.
  dispatch("online");

  assert.deepEqual([lost.hidden, over.hidden], [true, false]);
  assert.deepEqual(before, [false, true]);
  assert.deepEqual(buttons.map(({ disabled }) => disabled), [true, true]);
  assert.equal(sockets.length, 1);
});
