import assert from "node:assert/strict";
import { test } from "node:test";

import { Unread, ago, badge } from "../../../notifications/static/notifications/bell/unread.js";

const TYPES = ["export.succeeded", "notification"];

function counted({ read_offset = 4, unread = 2, head = 10 } = {}) {
  return new Unread({ read_offset, unread, head }, TYPES);
}

test("only notifications increase the unread count", () => {
  const unread = counted();

  assert.equal(unread.take({ event: "notification", offset: 11 }), true);
  assert.equal(unread.take({ event: "export.started", offset: 12 }), false);
  assert.equal(unread.take({ event: "export.succeeded", offset: 13 }), true);

  assert.equal(unread.count, 4);
});

test("events that the server has counted are not counted again", () => {
  const unread = counted();

  assert.equal(unread.take({ event: "notification", offset: 10 }), false);

  assert.equal(unread.count, 2);
});

test("events after their count in a catch-up are not counted again", () => {
  const unread = counted();

  unread.update({ read_offset: 11, unread: 1, head: 12 });
  unread.take({ event: "notification", offset: 11 });
  unread.take({ event: "notification", offset: 12 });
  unread.take({ event: "notification", offset: 13 });

  assert.equal(unread.count, 2);
});

test("reading in another tab lowers the count", () => {
  const unread = counted();
  unread.take({ event: "notification", offset: 11 });

  unread.update({ read_offset: 11, unread: 0, head: 11 });

  assert.equal(unread.count, 0);
});

test("outdated response does not change the count", () => {
  const unread = counted();
  unread.update({ read_offset: 11, unread: 0, head: 12 });

  unread.update({ read_offset: 4, unread: 3, head: 11 });
  unread.update({ read_offset: 4, unread: 4, head: 13 });

  assert.equal(unread.count, 0);
});

test("no event counts after a reset until the server's count", () => {
  const unread = counted();

  unread.forget();
  assert.equal(unread.take({ event: "notification", offset: 11 }), false);
  unread.update({ read_offset: 0, unread: 1, head: 1 });
  unread.take({ event: "notification", offset: 2 });

  assert.equal(unread.count, 2);
});

test("badge has at most two digits", () => {
  assert.equal(badge(7), "7");
  assert.equal(badge(99), "99");
  assert.equal(badge(100), "99+");
});

test("past times are shown in words", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  const before = (seconds) => ago(new Date(now - seconds * 1000), now, "en");

  assert.equal(before(-5), "now"); // The clocks of two machines differ.
  assert.equal(before(0), "now");
  assert.equal(before(59), "59 seconds ago");
  assert.equal(before(60), "1 minute ago");
  assert.equal(before(3 * 3600), "3 hours ago");
  assert.equal(before(24 * 3600), "yesterday");
  assert.equal(before(6 * 24 * 3600), "6 days ago");
  assert.equal(before(7 * 24 * 3600), "Nov 14, 2026");
});
