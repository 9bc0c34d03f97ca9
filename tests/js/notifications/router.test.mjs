// Many followers on one connection, with a real StreamClient and a fake server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RouterPool } from "../../../notifications/static/notifications/tabs/pool.js";
import { Router } from "../../../notifications/static/notifications/tabs/router.js";
import { StreamClient } from "../../../notifications/static/notifications/client/stream.js";
import { Clock } from "./clock.mjs";
import { Server } from "./stream_server.mjs";

const STREAM = "user-1";

function setUp() {
  const clock = new Clock();
  const server = new Server();
  const errors = [];
  const session = { signedIn: true, pages: [] };
  const make = () =>
    new Router({
      url: "ws://test/ws/streams/",
      async isSignedIn(page) {
        session.pages.push(page);
        return session.signedIn;
      },
      env: {
        report: (error) => errors.push(error),
        connect: (options) =>
          new StreamClient({
            ...options,
            api: null,
            env: {
              connect: server.connect,
              now: clock.now,
              setTimeout: clock.setTimeout,
              clearTimeout: clock.clearTimeout,
              random: () => 1,
              report: (error) => errors.push(error),
            },
          }),
      },
    });
  const router = new RouterPool(make);
  const join = (streams, more = {}) => new Follower(router, streams, more);
  return { clock, errors, join, router, server, session };
}

// A part of a page, with a record of the calls of its handlers.
class Follower {
  statuses = [];
  refused = [];
  resets = 0;
  events = []; // The events of all streams since the last reset.
  states = [];

  constructor(router, streams, { page = "/", ...handlers } = {}) {
    this.following = router.join(
      { streams, page },
      {
        onStatus: (status) => this.statuses.push(status),
        onRefused: (stream, detail) => this.refused.push([stream, detail]),
        onReset: () => {
          this.resets += 1;
          this.events = [];
          this.states = [];
        },
        onEvent: ({ offset }) => this.events.push(offset),
        onState: ({ revision }) => this.states.push(revision),
        ...handlers,
      },
    );
  }

  get status() {
    return this.statuses.at(-1);
  }

  get cursor() {
    return this.following.cursors[STREAM];
  }

  leave() {
    this.following.leave();
  }
}

const append = (server, times, stream = STREAM) => {
  for (let each = 0; each < times; each += 1) server.append(stream);
};

test("all followers share one connection", () => {
  const { join, server } = setUp();

  const first = join({ [STREAM]: null });
  const second = join({ [STREAM]: null, "export-1": null });
  server.settle();
  append(server, 2);
  append(server, 1, "export-1");
  server.settle();

  assert.equal(server.handshakes, 1);
  assert.deepEqual(first.events, [1, 2]);
  assert.deepEqual(second.events, [1, 2, 1]);
});

test("older cursor gets missed events without duplicates", () => {
  const { join, server } = setUp();
  const first = join({ [STREAM]: server.cursor(STREAM) });
  const old = server.cursor(STREAM);
  server.settle();
  append(server, 3);
  server.settle();

  const late = join({ [STREAM]: old });
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual(late.events, [1, 2, 3, 4]);
  assert.deepEqual(first.events, [1, 2, 3, 4]);
  assert.equal(server.handshakes, 1);
});

test("newer cursor does not hide events from others", () => {
  const { join, server } = setUp();
  const first = join({ [STREAM]: null });
  server.settle();
  append(server, 3); // In transit to the first follower when the second joins.

  const second = join({ [STREAM]: server.cursor(STREAM) });
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual(first.events, [1, 2, 3, 4]);
  assert.deepEqual(second.events, [4]);
});

test("follower from the start gets everything, others no duplicates", () => {
  const { join, server } = setUp();
  server.retain(STREAM, "a");
  append(server, 2);
  const first = join({ [STREAM]: server.cursor(STREAM) });
  server.settle();

  const whole = join({ [STREAM]: null });
  server.settle();

  assert.deepEqual([whole.events, whole.states], [[1, 2], [1]]);
  assert.deepEqual([first.events, first.states], [[], []]);
});

// Over plain HTTP, frames may arrive before the server confirms the cursor.
test("waiting follower ignores frames until its subscription", () => {
  let client;
  const env = {
    connect: (options) =>
      (client = { ...options, cursors: {}, start() {}, wake() {}, subscribe(each) { Object.assign(this.cursors, each); } }),
  };
  const router = new Router({ url: "ws://test/", isSignedIn: async () => true, env });
  const event = (offset) => ({ type: "event", stream: STREAM, offset, cursor: `e1.${offset}.0` });
  const first = new Follower(router, { [STREAM]: "e1.1.0" });
  const ahead = new Follower(router, { [STREAM]: "e1.3.0" });

  client.onEvent(event(4));
  const before = [first.events, ahead.events].map((each) => [...each]);
  client.onSubscribed(STREAM);
  const cursor = client.cursors[STREAM];
  for (const offset of [2, 3, 4, 5]) client.onEvent(event(offset));

  assert.deepEqual(before, [[], [4]]);
  assert.equal(cursor, "e1.1.0");
  assert.deepEqual([first.events, ahead.events], [[2, 3, 4, 5], [4, 5]]);
});

test("follower at the same cursor sends no request", () => {
  const { join, server } = setUp();
  append(server, 2);
  join({ [STREAM]: server.cursor(STREAM) });
  server.settle();
  const requests = [];
  const [socket] = server.sockets;
  const { send } = socket;
  socket.send = (text) => requests.push(JSON.parse(text).type) && send.call(socket, text);

  join({ [STREAM]: server.cursor(STREAM) });

  assert.deepEqual(requests, ["ping"]); // Only the check of the connection is sent.
});

test("cursor of a frame is the follower's own position", () => {
  const { join, server } = setUp();
  const start = server.cursor(STREAM);
  const cursors = [];
  append(server, 2);
  server.retain(STREAM, "a");
  const ahead = server.cursor(STREAM);
  join({ [STREAM]: ahead }, { onState: ({ cursor }) => cursors.push(cursor) });
  server.settle();
  server.retain(STREAM, "b"); // The first follower gets it in a catch-up from the start.

  join({ [STREAM]: start });
  server.settle();

  assert.deepEqual(cursors, ["e1.2.2"]);
});

test("reset reaches all followers, and each starts again", () => {
  const { join, server } = setUp();
  const followers = [join({ [STREAM]: null }), join({ [STREAM]: server.cursor(STREAM) })];
  server.settle();
  append(server, 3);
  server.settle();

  server.renew(STREAM);
  append(server, 1);
  server.settle();

  for (const { resets, events } of followers) assert.deepEqual([resets, events], [1, [1]]);
});

test("cursor of an old epoch makes all followers start again", () => {
  const { join, server } = setUp();
  const stale = server.cursor(STREAM);
  server.renew(STREAM);
  append(server, 2);
  const first = join({ [STREAM]: server.cursor(STREAM) });
  server.settle();

  const late = join({ [STREAM]: stale });
  server.settle();

  assert.deepEqual([late.resets, late.events], [1, [1, 2]]);
  assert.deepEqual([first.resets, first.events], [1, [1, 2]]);
});

test("pruned cursor starts again despite a follower from the start", () => {
  const { join, server } = setUp();
  const pruned = server.cursor(STREAM);
  append(server, 3);
  server.prune(STREAM);

  const whole = join({ [STREAM]: null });
  const late = join({ [STREAM]: pruned });
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual([late.resets, late.events], [1, [4]]);
  assert.deepEqual(whole.events, [4]);
});

test("follower from the start does not hide a pruned cursor", () => {
  const { clock, join, server } = setUp();
  const first = join({ [STREAM]: null });
  server.settle();
  append(server, 1);
  server.settle();
  server.drop();
  append(server, 2); // The first follower misses these two.
  server.prune(STREAM);

  const whole = join({ [STREAM]: null });
  clock.advance(1000);
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual([first.resets, first.events], [1, [4]]);
  assert.deepEqual(whole.events, [4]);
});

test("followers resume from their positions after a loss", () => {
  const { clock, join, server } = setUp();
  const followers = [join({ [STREAM]: null }), join({ [STREAM]: null })];
  server.settle();
  append(server, 2);
  server.settle();

  server.drop();
  append(server, 2);
  clock.advance(1000);
  server.settle();

  for (const { events, statuses } of followers) {
    assert.deepEqual(events, [1, 2, 3, 4]);
    assert.deepEqual(statuses.slice(-4), ["live", "lost", "connecting", "live"]);
  }
});

test("new follower reconnects a lost connection for all", () => {
  const { join, server } = setUp();
  const first = join({ [STREAM]: null });
  server.settle();
  server.drop();
  append(server, 1);

  const second = join({ [STREAM]: null });
  server.settle();

  assert.equal(server.handshakes, 2);
  assert.deepEqual([first.events, second.events], [[1], [1]]);
});

test("late follower gets the current status", () => {
  const { join, server } = setUp();
  join({ [STREAM]: null });
  server.settle();

  assert.deepEqual(join({ [STREAM]: null }).statuses, ["live"]);
});

test("refused stream ends for all, and their others continue", () => {
  const { join, server } = setUp();
  const both = join({ [STREAM]: null, "team-1": null });
  const only = join({ "team-1": null });
  server.settle();

  server.refuse("team-1");
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual(both.refused, [["team-1", "No."]]);
  assert.deepEqual(only.refused, [["team-1", "No."]]);
  assert.deepEqual([both.status, only.status], ["live", "refused"]);
  assert.deepEqual(both.events, [1]);
});

test("follower without streams is refused", () => {
  const { join, server } = setUp();

  assert.deepEqual(join({}).statuses, ["refused"]);
  assert.equal(server.handshakes, 0);
});

test("last follower closes its stream or the connection", () => {
  const { clock, join, server } = setUp();
  const first = join({ [STREAM]: null, "export-1": null });
  const second = join({ "export-1": null, "export-2": null });
  server.settle();
  const [socket] = server.sockets;

  first.leave();
  server.settle();
  const streams = socket.streams;
  second.leave();
  second.leave(); // A second call has no effect.

  assert.deepEqual(streams, ["export-1", "export-2"]);
  assert.equal(server.sockets.size, 0);
  assert.equal(clock.pending, 0);
});

test("follower that left gets no calls and keeps its cursors", () => {
  const { join, server } = setUp();
  const others = [];
  const leaver = join({ [STREAM]: null }, { onEvent: () => others.splice(0).forEach((each) => each.leave()) });
  const left = join({ [STREAM]: null });
  others.push(left);
  server.settle();
  append(server, 1);
  server.settle();

  assert.deepEqual(left.events, []);
  assert.deepEqual([left.cursor, leaver.cursor], ["e1.0.0", "e1.1.0"]);
});

test("sign-out reaches all, and a later follower reconnects them", async () => {
  const { join, server, session } = setUp();
  const first = join({ [STREAM]: null });
  server.settle();

  server.drop(4401);
  append(server, 1);
  const status = first.status;
  session.signedIn = true;
  const second = join({ [STREAM]: null });
  server.settle();

  assert.equal(status, "signed-out");
  assert.deepEqual([first.status, second.status], ["live", "live"]);
  assert.deepEqual([first.events, second.events], [[1], [1]]);
});

test("session is checked at the newest follower's page", async () => {
  const { clock, join, server, session } = setUp();
  server.isUp = false;
  session.signedIn = false;
  const first = join({ [STREAM]: null }, { page: "/first" });
  const last = join({ [STREAM]: null }, { page: "/last" });

  clock.advance(10_000);
  clock.advance(10_000);
  await new Promise((resolve) => setImmediate(resolve));

  assert.deepEqual(session.pages, ["/last"]);
  assert.deepEqual([first.status, last.status], ["signed-out", "signed-out"]);
});

test("excess streams use another socket until they are left", () => {
  const { join, server } = setUp();
  const exports = (from, to) =>
    Object.fromEntries(Array.from({ length: to - from }, (_, each) => [`export-${from + each}`, null]));
  const sizes = () => [...server.sockets].map(({ streams }) => streams.length);

  const followers = [join(exports(0, 60)), join(exports(60, 120)), join(exports(40, 100))];
  server.settle();
  const three = sizes();
  followers[1].leave();
  const left = sizes();
  followers.push(join(exports(200, 350)));
  server.settle();

  assert.deepEqual(three, [100, 60]);
  assert.deepEqual(left, [100]);
  assert.deepEqual(sizes(), [100, 150]);
});

test("wake reaches all sockets", () => {
  const { join, router, server } = setUp();
  for (const from of [0, 60]) {
    join(Object.fromEntries(Array.from({ length: 60 }, (_, each) => [`export-${from + each}`, null])));
  }
  server.settle();
  server.drop();

  router.wake();

  assert.equal(server.sockets.size, 2);
});

test("handler that throws does not affect others", () => {
  const { errors, join, server } = setUp();
  const fail = () => {
    throw new Error("a page's mistake");
  };
  join({ [STREAM]: null }, { onEvent: fail });
  const second = join({ [STREAM]: null });
  server.settle();

  append(server, 2);
  server.settle();

  assert.deepEqual(second.events, [1, 2]);
  assert.equal(errors.length, 2);
});
