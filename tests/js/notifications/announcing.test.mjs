// Announcements of notifications: claims of tabs, toasts and browser notifications. No DOM.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as claims from "../../../notifications/static/notifications/bell/claim.js";
import { Desktop } from "../../../notifications/static/notifications/bell/desktop.js";
import * as stack from "../../../notifications/static/notifications/bell/stack.js";
import { Clock } from "./clock.mjs";

const settled = () => new Promise((resolve) => setImmediate(resolve));

// -- claims ------------------------------------------------------------------------------

// Locks that all tabs share, like the browser's.
function locks() {
  const held = new Set();
  return {
    held,
    async request(name, { ifAvailable }, callback) {
      assert.equal(ifAvailable, true);
      if (held.has(name)) return callback(null);
      held.add(name);
      await callback({ name });
      held.delete(name);
    },
  };
}

test("one of several tabs claims a notification while it is recent", async () => {
  const clock = new Clock();
  const env = { locks: locks(), setTimeout: clock.setTimeout };

  const all = ["user-1 e 7", "user-1 e 7", "user-1 e 8"].map((name) => claims.claim(name, env));

  assert.deepEqual(await Promise.all(all), [true, false, true]);
  clock.advance(stack.RECENT_MS);
  assert.equal(await claims.claim("user-1 e 7", env), false);
  clock.advance(1 + claims.HELD_MS - stack.RECENT_MS);
  await settled();
  assert.equal(env.locks.held.size, 0);
});

test("browser without locks lets each tab claim", async () => {
  assert.equal(await claims.claim("user-1 e 7", { locks: undefined }), true);
});

test("tab with the focus claims first, hidden tabs last", () => {
  const waits = [
    { isHidden: false, hasFocus: true },
    { isHidden: false, hasFocus: false },
    { isHidden: true, hasFocus: false },
  ].map(claims.claimDelay);

  assert.equal(waits[0], 0);
  assert.ok(waits[0] < waits[1] && waits[1] < waits[2]);
});

// -- toasts ------------------------------------------------------------------------------

function toasts() {
  const clock = new Clock();
  const made = { clock, isHeld: false, shown: 0 };
  made.stack = new stack.Stack({
    show: () => (made.shown += 1),
    isHeld: () => made.isHeld,
    env: clock,
  });
  made.offsets = () => made.stack.items.map(({ offset }) => offset);
  return made;
}

test("each toast disappears after its own time", () => {
  const { stack: all, clock, offsets } = toasts();
  all.add({ offset: 1 });
  clock.advance(stack.LIFE_MS - 1);
  all.add({ offset: 2 });

  assert.deepEqual(offsets(), [1, 2]);
  clock.advance(1);
  assert.deepEqual(offsets(), [2]);
  clock.advance(stack.LIFE_MS);
  assert.deepEqual(offsets(), []);
  assert.equal(clock.pending, 0);
});

test("held toasts stay, and their time starts again afterwards", () => {
  const made = toasts();
  made.stack.add({ offset: 1 });
  made.isHeld = true;
  made.clock.advance(10 * stack.LIFE_MS - 1);
  assert.deepEqual(made.offsets(), [1]);

  made.isHeld = false;
  made.stack.renew();

  made.clock.advance(stack.LIFE_MS - 1);
  assert.deepEqual(made.offsets(), [1]);
  made.clock.advance(1);
  assert.deepEqual(made.offsets(), []);
});

test("newest toasts are shown, and others are counted", () => {
  const { stack: all, clock, offsets } = toasts();
  all.miss();
  for (let offset = 2; offset <= 6; offset += 1) all.add({ offset });

  assert.deepEqual(offsets(), [4, 5, 6]);
  assert.equal(all.more, 3);
  clock.advance(stack.LIFE_MS);
  assert.deepEqual(offsets(), []);
  assert.equal(all.more, 0);
});

test("closed and read toasts disappear with one rendering", () => {
  const made = toasts();
  for (const offset of [1, 2, 3]) made.stack.add({ offset });

  made.stack.close(2);
  assert.deepEqual(made.offsets(), [1, 3]);
  made.stack.read(1);
  assert.deepEqual(made.offsets(), [3]);
  const { shown } = made;
  made.stack.read(2);
  made.stack.close(7);
  assert.equal(made.shown, shown);
  made.stack.closeAll();
  assert.deepEqual(made.offsets(), []);
  assert.equal(made.clock.pending, 0);
});

test("notification older than a minute is not recent", () => {
  const now = "2026-01-01T12:01:00+00:00";

  assert.equal(stack.isRecent("2026-01-01T12:00:00Z", now), true);
  assert.equal(stack.isRecent("2026-01-01T11:59:59Z", now), false);
  assert.equal(stack.isRecent("2026-01-01T13:00:30.5+01:00", now), true);
});

// -- browser notifications -----------------------------------------------------------------

// A browser in which the user responds with `answer` to a request for permission.
function browserWith({ permission = "default", answer = "granted", isSecure = true } = {}) {
  const kept = new Map();
  const made = { shown: [], requested: 0, kept, works: true };
  made.api = class {
    static permission = permission;
    static async requestPermission() {
      made.requested += 1;
      made.api.permission = answer;
      return answer;
    }
    constructor(title, options) {
      if (!made.works) throw new TypeError("Illegal constructor");
      made.shown.push(this);
      Object.assign(this, { title, ...options });
    }
    close() {
      this.isClosed = true;
    }
  };
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  made.desktop = (user = "42", more = {}) =>
    new Desktop({ user, env: { api: made.api, isSecure, storage: () => storage, ...more } });
  return made;
}

test("browser notifications are off until the user enables them", async () => {
  const browser = browserWith();
  const desktop = browser.desktop();
  assert.deepEqual([desktop.state, browser.requested], ["off", 0]);

  await desktop.enable("Like this.");

  assert.equal(browser.desktop().state, "on");
  assert.equal(browser.desktop("43").state, "off");
  assert.deepEqual(browser.shown.map(({ title }) => title), ["Like this."]);
  desktop.disable();
  assert.equal(browser.desktop().state, "off");
});

test("user who denies or ignores permission gets none", async () => {
  for (const [answer, state] of [["denied", "denied"], ["default", "off"]]) {
    const browser = browserWith({ answer });
    const desktop = browser.desktop();

    await desktop.enable("Like this.");

    assert.deepEqual([desktop.state, browser.shown.length, browser.kept.size], [state, 0, 0]);
  }
});

test("permission alone does not enable browser notifications", () => {
  assert.equal(browserWith({ permission: "granted" }).desktop().state, "off");
});

test("withdrawn permission turns browser notifications off", async () => {
  const browser = browserWith();
  await browser.desktop().enable("Like this.");

  browser.api.permission = "denied";

  assert.equal(browser.desktop().state, "denied");
});

test("missing, insecure and denied notifications differ", async () => {
  const android = browserWith();
  android.works = false;
  const desktop = android.desktop();
  await desktop.enable("Like this.");

  assert.equal(desktop.state, "missing");
  assert.equal(android.desktop().state, "off");
  assert.equal(browserWith().desktop("42", { api: undefined }).state, "missing");
  // There browsers report "denied" although nobody denied it.
  const plain = browserWith({ isSecure: false, permission: "denied" });
  assert.equal(plain.desktop().state, "insecure");
});

test("browser without storage shows no notifications", async () => {
  const browser = browserWith();
  const storage = () => {
    throw new Error("SecurityError");
  };
  const desktop = browser.desktop("42", { storage });

  await desktop.enable("Like this.");

  assert.equal(desktop.state, "missing");
  assert.equal(browser.shown.length, 0);
});

test("each notification has its own tag and closes when clicked", async () => {
  const browser = browserWith();
  const followed = [];
  const notice = { name: "user-42 e 7", title: "Flights is ready.", body: "2 rows.", lang: "en" };

  browser.desktop().show(notice, () => followed.push(notice.name));

  const [shown] = browser.shown;
  assert.equal(shown.tag, "waybill user-42 e 7");
  assert.deepEqual([shown.title, shown.body, shown.lang], ["Flights is ready.", "2 rows.", "en"]);
  shown.onclick();
  assert.deepEqual(followed, ["user-42 e 7"]);
  assert.equal(shown.isClosed, true);
});
