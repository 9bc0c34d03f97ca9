// Tabs and their shared worker, with ports from which a test reads messages.

import assert from "node:assert/strict";
import { test } from "node:test";

import { SharedRouter } from "../../../notifications/static/notifications/tabs/shared.js";
import { BATCH, BEAT_MS, Tab, TICK_MS, WINDOW } from "../../../notifications/static/notifications/tabs/tab.js";
import { Clock } from "./clock.mjs";

// Replaces a Router. It sends the frames of a test and records the followers.
class FakeRouter {
  joined = new Set();
  wakes = 0;

  join({ streams, page }, handlers) {
    const follower = { streams: { ...streams }, page, handlers };
    this.joined.add(follower);
    handlers.onStatus("live");
    const { joined } = this;
    return {
      leave: () => joined.delete(follower),
      get cursors() {
        return { ...follower.streams };
      },
    };
  }

  wake() {
    this.wakes += 1;
  }

  append(stream, offset) {
    const cursor = `e1.${offset}.0`;
    for (const { streams, handlers } of [...this.joined]) {
      if (!(stream in streams)) continue;
      streams[stream] = cursor;
      handlers.onEvent({ type: "event", stream, offset, cursor });
    }
  }

  reset(stream) {
    for (const { streams, handlers } of [...this.joined]) {
      streams[stream] = null;
      handlers.onReset({ type: "reset", stream });
    }
  }

  refuse(stream) {
    for (const { streams, handlers } of [...this.joined]) {
      delete streams[stream];
      handlers.onRefused(stream, "No.");
    }
  }

  get cursors() {
    return [...this.joined].map(({ streams }) => ({ ...streams }));
  }
}

// One end of a channel. Messages stay in `unread` while this end is asleep.
class Port {
  unread = [];
  isAsleep = false;
  isClosed = false;

  postMessage(message) {
    if (!this.other.isClosed) this.other.unread.push(structuredClone(message));
  }

  close() {
    this.isClosed = true;
  }

  read() {
    if (this.isAsleep || this.isClosed || !this.unread.length) return false;
    this.onmessage({ data: this.unread.shift() });
    return true;
  }
}

function channel() {
  const [a, b] = [new Port(), new Port()];
  a.other = b;
  b.other = a;
  return [a, b];
}

// A browser with its workers by name, and one clock for all its tabs.
class Browser {
  clock = new Clock();
  workers = new Map();
  ports = [];
  errors = [];
  starts = 0;

  start = (name) => {
    this.starts += 1;
    if (!this.workers.has(name)) this.workers.set(name, { router: new FakeRouter(), tabs: new Set() });
    const { router, tabs } = this.workers.get(name);
    const [port, inner] = channel();
    tabs.add(new Tab({ port: inner, router, ended: (tab) => tabs.delete(tab) }));
    this.ports.push(port, inner);
    return { port };
  };

  tab({ user = "1", start = this.start } = {}) {
    const own = new FakeRouter();
    const { clock } = this;
    const shared = new SharedRouter({
      url: "ws://test/",
      user,
      fallBack: () => own,
      env: { start, setTimeout: clock.setTimeout, clearTimeout: clock.clearTimeout, report: (error) => this.errors.push(error) },
    });
    return { shared, own };
  }

  get router() {
    return [...this.workers.values()].at(-1).router;
  }

  get tabs() {
    return [...this.workers.values()].at(-1).tabs;
  }

  settle() {
    while (this.ports.some((port) => port.read())) continue;
  }

  // Lets time pass for all: tabs send beats, and workers tick.
  pass(ms) {
    for (let left = ms; left > 0; left -= BEAT_MS) {
      this.clock.advance(BEAT_MS);
      this.settle();
      if (left % TICK_MS === 0) for (const { tabs } of this.workers.values()) for (const tab of tabs) tab.tick();
      this.settle();
    }
  }
}

function follow({ shared }, streams = { "user-1": null }, more = {}) {
  const calls = { events: [], statuses: [], resets: 0, refused: [] };
  calls.following = shared.join(
    { streams, page: "/" },
    {
      onEvent: ({ offset }) => calls.events.push(offset),
      onStatus: (status) => calls.statuses.push(status),
      onReset: () => (calls.resets += 1),
      onRefused: (stream) => calls.refused.push(stream),
      ...more,
    },
  );
  return calls;
}

test("tabs of one user share a worker, other users do not", () => {
  const browser = new Browser();
  const [one, two] = [follow(browser.tab()), follow(browser.tab())];
  browser.settle();
  const shared = browser.router;
  const other = follow(browser.tab({ user: "2" }));
  browser.settle();

  shared.append("user-1", 1);
  browser.settle();

  assert.equal(browser.workers.size, 2);
  assert.deepEqual([one.events, two.events, other.events], [[1], [1], []]);
  assert.deepEqual(one.statuses, ["live"]);
});

test("cursors of a tab are its follower's positions", () => {
  const browser = new Browser();
  const { following } = follow(browser.tab(), { "user-1": "e1.4.0", "team-1": null });
  browser.settle();

  browser.router.append("user-1", 5);
  browser.router.refuse("team-1");
  browser.settle();
  const before = following.cursors;
  browser.router.reset("user-1");
  browser.settle();

  assert.deepEqual(before, { "user-1": "e1.5.0" });
  assert.deepEqual(following.cursors, { "user-1": null });
});

test("last follower to leave closes the tab", () => {
  const browser = new Browser();
  const tab = browser.tab();
  const [one, two] = [follow(tab), follow(tab)];
  browser.settle();

  one.following.leave();
  one.following.leave(); // A second call has no effect.
  browser.settle();
  const first = browser.router.joined.size;
  two.following.leave();
  browser.settle();

  assert.deepEqual([first, browser.router.joined.size, browser.tabs.size], [1, 0, 0]);
  assert.equal(browser.clock.pending, 0);
});

test("closed tab can join again", () => {
  const browser = new Browser();
  const tab = browser.tab();
  const { following } = follow(tab);
  browser.settle();
  browser.router.append("user-1", 1);
  browser.settle();
  following.leave();
  browser.settle();

  const back = follow(tab, following.cursors);
  browser.settle();
  browser.router.append("user-1", 2);
  browser.settle();

  assert.deepEqual(back.events, [2]);
});

test("unread messages stop at a window and resume later", () => {
  const browser = new Browser();
  const tab = browser.tab();
  const sleeper = follow(tab);
  const other = follow(browser.tab());
  browser.settle();
  const [port] = browser.ports;

  port.isAsleep = true;
  for (let offset = 1; offset <= 2 * WINDOW; offset += 1) {
    browser.router.append("user-1", offset);
    browser.settle();
  }
  tab.shared.wake(); // The tab sends, but does not read.
  browser.settle();
  const { length } = port.unread;
  const away = browser.router.cursors;
  port.isAsleep = false;
  browser.settle();

  assert.ok(length <= WINDOW, `${length} were sent`);
  assert.deepEqual(away, [{ "user-1": `e1.${2 * WINDOW}.0` }]);
  assert.equal(other.events.length, 2 * WINDOW);
  const [, joined] = browser.router.cursors;
  assert.deepEqual(joined, { "user-1": `e1.${sleeper.events.at(-1)}.0` });
  assert.deepEqual(sleeper.events, Array.from(sleeper.events, (_, index) => index + 1));
});

test("reading tab is never left", () => {
  const browser = new Browser();
  const tab = browser.tab();
  follow(tab);
  const { events } = follow(tab);
  browser.settle();
  const joined = [...browser.router.joined];

  for (let offset = 1; offset <= 4 * WINDOW; offset += 1) {
    browser.router.append("user-1", offset);
    if (offset % (BATCH / 2) === 0) browser.settle();
  }

  assert.equal(events.length, 4 * WINDOW);
  assert.deepEqual([...browser.router.joined], joined);
});

test("silent tab is left and resumes with its next message", () => {
  const browser = new Browser();
  const [frozen, awake] = [browser.tab(), browser.tab()];
  const [sleeper, other] = [follow(frozen), follow(awake)];
  browser.settle();
  browser.router.append("user-1", 1);
  browser.settle();

  const [port] = browser.ports;

  port.isAsleep = true;
  browser.router.append("user-1", 2);
  for (let minute = 1; minute <= 4; minute += 1) {
    awake.shared.wake();
    browser.settle();
    for (const tab of browser.tabs) tab.tick();
  }
  const left = browser.router.joined.size;
  browser.router.append("user-1", 3);
  frozen.shared.wake(); // The tab has not read the waiting messages yet.
  browser.settle();
  port.isAsleep = false;
  browser.settle();

  assert.equal(left, 1);
  assert.deepEqual(browser.router.cursors, [{ "user-1": "e1.3.0" }, { "user-1": "e1.2.0" }]);
  assert.deepEqual([sleeper.events, other.events], [[1, 2], [1, 2, 3]]);
});

test("tab that sends only beats is not left", () => {
  const browser = new Browser();
  follow(browser.tab());
  browser.settle();
  const [joined] = browser.router.joined;

  browser.pass(10 * TICK_MS);

  assert.deepEqual([...browser.router.joined], [joined]);
});

test("tab is left at once when the browser reports its end", () => {
  const browser = new Browser();
  follow(browser.tab());
  browser.settle();

  browser.ports[1].onclose();

  assert.deepEqual([browser.router.joined.size, browser.tabs.size], [0, 0]);
});

for (const [what, start] of [
  ["there is no SharedWorker", () => new Undefined()],
  ["the worker cannot be loaded", () => {
    const worker = { port: channel()[0] };
    setImmediate(() => worker.onerror());
    return worker;
  }],
]) {
  test(`tab uses its own router if ${what}`, async () => {
    const browser = new Browser();
    const tab = browser.tab({ start });
    const first = follow(tab);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const second = follow(tab);
    tab.own.append("user-1", 1);
    tab.shared.wake();

    assert.deepEqual([first.events, second.events], [[1], [1]]);
    assert.deepEqual(first.following.cursors, { "user-1": "e1.1.0" });
    assert.equal(tab.own.wakes, 1);
    first.following.leave();
    second.following.leave();
    assert.equal(tab.own.joined.size, 0);
    assert.equal(browser.clock.pending, 0);
  });
}

test("worker that never responds is replaced by an own router", () => {
  const browser = new Browser();
  const tab = browser.tab({ start: () => ({ port: channel()[0] }) });
  follow(tab);

  browser.clock.advance(20_000);

  assert.equal(tab.own.joined.size, 1);
  assert.equal(browser.clock.pending, 0);
});

test("worker that cannot be restarted is replaced by an own router", () => {
  const browser = new Browser();
  let start = browser.start;
  const tab = browser.tab({ start: (name) => start(name) });
  follow(tab);
  browser.settle();

  start = () => ({ port: channel()[0] });
  browser.ports[0].onclose();
  browser.clock.advance(16_000);

  assert.equal(tab.own.joined.size, 1);
});

for (const [how, notice] of [
  ["at once, if the browser says so", (browser) => browser.ports[0].onclose()],
  ["when the page is looked at", (browser, tab) => {
    for (let look = 1; look <= 4; look += 1) {
      tab.shared.wake();
      browser.clock.advance(5000);
    }
    assert.equal(browser.starts, 2, "further requests do not extend the timeout");
  }],
  ["in a minute", (browser) => browser.clock.advance(BEAT_MS)],
]) {
  test(`lost worker is noticed ${how} and replaced`, () => {
    const browser = new Browser();
    const tab = browser.tab();
    const calls = follow(tab);
    browser.settle();
    browser.router.append("user-1", 1);
    browser.settle();

    browser.workers.clear();
    browser.ports[1].isAsleep = true;
    notice(browser, tab);
    browser.settle();
    browser.clock.advance(16_000); // The timeout for a response has passed.
    browser.settle();
    const [cursors] = browser.router.cursors;
    browser.router.append("user-1", 2);
    browser.settle();

    assert.equal(browser.starts, 2);
    assert.deepEqual(cursors, { "user-1": "e1.1.0" });
    assert.deepEqual(calls.events, [1, 2]);
  });
}

test("tab that wakes up wakes the connection", () => {
  const browser = new Browser();
  const tab = browser.tab();
  follow(tab);
  browser.settle();

  tab.shared.wake();
  browser.settle();

  assert.equal(browser.router.wakes, 1);
});

test("handler that throws does not affect others in its tab", () => {
  const browser = new Browser();
  const tab = browser.tab();
  const fail = () => {
    throw new Error("a page's mistake");
  };
  follow(tab, { "user-1": null }, { onEvent: fail });
  const second = follow(tab);
  browser.settle();

  browser.router.append("user-1", 1);
  browser.settle();

  assert.deepEqual(second.events, [1]);
  assert.equal(browser.errors.length, 1);
});

test("handler may leave all streams", () => {
  const browser = new Browser();
  const tab = browser.tab();
  const calls = follow(tab, { "user-1": null }, { onEvent: () => calls.following.leave() });
  browser.settle();

  browser.router.append("user-1", 1);
  browser.settle();

  assert.equal(browser.clock.pending, 0);
  assert.equal(browser.tabs.size, 0);
});
