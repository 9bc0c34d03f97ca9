// Random interleavings of followers, frames, losses and resets on one connection. Each follower gets
// each event after its cursor once and in order, and the newest values, or a reset. The random
// numbers are the same in each run.

import assert from "node:assert/strict";
import { test } from "node:test";

import { parse } from "../../../notifications/static/notifications/client/cursor.js";
import { Router } from "../../../notifications/static/notifications/tabs/router.js";
import { StreamClient } from "../../../notifications/static/notifications/client/stream.js";
import { Clock } from "./clock.mjs";
import { Server } from "./stream_server.mjs";

const RUNS = 1000;
const STEPS = 120;
const STREAMS = ["user-1", "export-1", "export-2"];
const KEYS = ["a", "b", "c"];

// Returns a pseudorandom generator (mulberry32).
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Checks each frame that a follower gets.
class Witness {
  constructor(router, streams) {
    this.places = new Map(Object.entries(streams).map(([name, cursor]) => [name, parse(cursor)]));
    this.following = router.join(
      { streams, page: "/" },
      {
        onReset: ({ stream }) => this.places.set(stream, null),
        onEvent: (frame) => this.#event(frame),
        onState: (frame) => this.#state(frame),
      },
    );
  }

  #event(frame) {
    const place = this.places.get(frame.stream);
    const now = parse(frame.cursor);
    assert.equal(now.offset, frame.offset);
    if (place) {
      assert.equal(frame.offset, place.offset + 1, "events arrive once, in order, without gaps");
      assert.deepEqual(now, { ...place, offset: frame.offset });
    }
    this.places.set(frame.stream, now);
  }

  #state(frame) {
    const place = this.places.get(frame.stream);
    const now = parse(frame.cursor);
    assert.equal(now.revision, frame.revision);
    if (place) {
      assert.ok(frame.revision > place.revision, "only newer values arrive");
      assert.deepEqual(now, { ...place, revision: frame.revision });
    }
    this.places.set(frame.stream, now);
  }

  // Checks that everything has arrived.
  assertComplete(server) {
    for (const [name, place] of this.places) {
      const { epoch, floor, head, values } = server.stream(name);
      if (place === null) {
        assert.deepEqual([head - floor, values.size], [0, 0], `${name} has stored items`);
        continue;
      }
      const newest = Math.max(0, ...values.values());
      assert.deepEqual([place.epoch, place.offset], [epoch, head], `all events of ${name}`);
      assert.ok(place.revision >= newest, `the newest values of ${name}`);
    }
  }
}

class Run {
  clock = new Clock();
  server = new Server();
  witnesses = [];
  errors = [];
  cursors = new Map(STREAMS.map((name) => [name, [null]])); // The cursors that a page may have.

  constructor(random) {
    this.random = random;
    const { clock, server } = this;
    const report = (error) => this.errors.push(error);
    const env = { ...clock, now: clock.now, connect: server.connect, random, report };
    this.router = new Router({
      url: "ws://test/",
      isSignedIn: async () => true,
      env: { report, connect: (options) => new StreamClient({ ...options, api: null, env }) },
    });
  }

  step() {
    const stream = this.pick(STREAMS);
    const known = this.cursors.get(stream);
    const [act] = this.pick([
      ...Array(6).fill([() => this.server.append(stream)]),
      ...Array(4).fill([() => this.server.retain(stream, this.pick(KEYS))]),
      ...Array(12).fill([() => this.move()]),
      ...Array(4).fill([() => known.push(this.server.cursor(stream))]),
      ...Array(3).fill([() => this.join()]),
      ...Array(2).fill([() => this.leave()]),
      ...Array(2).fill([() => this.again()]),
      [() => this.server.drop()],
      [() => this.clock.advance(1000 * this.random())],
      [() => this.router.wake()],
      [() => this.random() < 0.3 && this.server.renew(stream)],
      [() => this.random() < 0.5 && this.server.prune(stream)],
    ]);
    act();
  }

  pick(values) {
    return values[Math.floor(this.random() * values.length)];
  }

  // Delivers one random frame in transit, at either end.
  move() {
    for (const socket of [...this.server.sockets]) {
      for (let each = this.random() * 6; each > 0; each -= 1) {
        if (this.random() < 0.7) socket.stepOut();
        else socket.stepIn();
      }
    }
  }

  join() {
    const names = STREAMS.filter(() => this.random() < 0.6);
    const streams = names.map((name) => [name, this.pick(this.cursors.get(name))]);
    if (names.length) this.witnesses.push(new Witness(this.router, Object.fromEntries(streams)));
  }

  leave() {
    const index = Math.floor(this.random() * this.witnesses.length);
    const [witness] = this.witnesses.splice(index, 1);
    witness?.following.leave();
    return witness;
  }

  // A tab that slept joins again from its cursors.
  again() {
    const witness = this.leave();
    if (witness) this.witnesses.push(new Witness(this.router, witness.following.cursors));
  }

  finish() {
    for (let each = 0; each < 4; each += 1) {
      this.router.wake();
      this.server.settle();
    }
    assert.deepEqual(this.errors, []);
    for (const witness of this.witnesses) witness.assertComplete(this.server);
    for (const witness of this.witnesses.splice(0)) witness.following.leave();
    assert.equal(this.server.sockets.size, 0);
    assert.equal(this.clock.pending, 0);
  }
}

// proves: tabs-share-a-connection
test("no follower loses or repeats an event in random runs", () => {
  let connections = 0;
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const run = new Run(randomFrom(seed));
    try {
      for (let each = 0; each < STEPS; each += 1) run.step();
      run.finish();
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
    connections += run.server.handshakes;
  }
  assert.ok(connections > RUNS, "connections were lost, too");
});
