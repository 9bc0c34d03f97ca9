// Serves many followers with one connection. It uses no DOM and does not know tabs.
//
// Each follower has its own place in each of its streams. The connection subscribes to a stream
// once, from one cursor, and each follower takes the frames that are new to it. A follower whose
// place is before that cursor would miss frames. It waits until the router subscribes again from
// its place. Other followers then skip the frames that they have.
//
// When a follower joins, the router first subscribes from its cursor, even if that is later than
// the current position. So the server checks each cursor: its epoch may have ended, or the events
// after it may be pruned. In that case all followers start again.

import { earlier, format, parse } from "../client/cursor.js";
import { Follower } from "./follower.js";
import { StreamClient } from "../client/stream.js";

// The maximum number of streams on a socket (notifications/protocol/frames.py).
const ROOM = 100;

const browser = {
  connect: (options) => new StreamClient(options),
  report: (error) => (globalThis.reportError ?? console.error)(error),
};

export class Router {
  #url;
  #api;
  #isSignedIn;
  #env;
  #client = null; // Null without followers, and after "signed-out" or "refused".
  #page = null; // The page of the follower that joined last.
  #followers = new Set();
  #starts = new Map(); // stream -> the place from which it was subscribed

  // `isSignedIn(page)` checks the session with the page of a follower.
  constructor({ url, api, isSignedIn, env = {} }) {
    this.#url = url;
    this.#api = api;
    this.#isSignedIn = isSignedIn;
    this.#env = { ...browser, ...env };
  }

  // Follows `streams`, each from a cursor, or from null for everything that is stored. The handlers
  // are those of StreamClient. The cursor of a frame is the position of this follower.
  join({ streams, page }, handlers) {
    const follower = new Follower(streams, handlers, this.#env.report);
    this.#followers.add(follower);
    this.#page = page;
    if (follower.places.size === 0) this.#dismiss(follower);
    else if (this.#client === null) this.#open();
    else this.#welcome(follower);
    return {
      leave: () => this.#leave(follower),
      get cursors() {
        return follower.cursors;
      },
    };
  }

  // Returns whether these streams fit in the connection. A first follower is always accepted, and
  // the server refuses its excess streams.
  hasRoomFor(streams) {
    return this.#followers.size === 0 || new Set([...this.#streams(), ...streams]).size <= ROOM;
  }

  // The network or a tab is back.
  wake() {
    this.#client?.wake();
  }

  // -- followers come and go -----------------------------------------------------------

  // Opens a connection for the first follower. After "signed-out" or "refused", the next follower
  // opens one for all.
  #open() {
    this.#starts.clear();
    this.#client = this.#env.connect({
      url: this.#url,
      api: this.#api,
      onEvent: (frame) => this.#pass("onEvent", frame),
      onState: (frame) => this.#pass("onState", frame),
      onReset: (frame) => this.#reset(frame),
      onSubscribed: (stream) => this.#subscribed(stream),
      onRefused: (stream, detail) => this.#refused(stream, detail),
      onStatus: (status) => this.#statusChanged(status),
      isSignedIn: () => this.#isSignedIn(this.#page),
    });
    const streams = [...new Set(this.#streams())];
    this.#subscribe(streams.map((stream) => [stream, this.#followersOf(stream)]));
    this.#client?.start(); // A handler may have closed the connection.
  }

  #welcome(follower) {
    const { cursors } = this.#client;
    const elsewhere = Object.entries(follower.cursors).filter(
      ([stream, cursor]) => cursor !== cursors[stream],
    );
    if (elsewhere.length) this.#subscribe(elsewhere.map(([stream]) => [stream, [follower]]));
    if (this.#client) follower.call("onStatus", this.#client.status);
    this.wake(); // A page was just loaded, so the network works.
  }

  #leave(follower) {
    if (!this.#followers.delete(follower)) return;
    follower.isGone = true;
    const left = [...follower.places.keys()].filter((each) => !this.#followersOf(each).length);
    for (const stream of left) this.#starts.delete(stream);
    if (this.#followers.size === 0) this.#close();
    else if (left.length) this.#client?.unsubscribe(left);
  }

  #close() {
    const client = this.#client;
    this.#client = null;
    client?.stop();
  }

  // -- where a subscription starts -----------------------------------------------------

  // `wanted` has pairs of a stream and followers. The subscription begins at the earliest place of
  // those followers.
  #subscribe(wanted) {
    const streams = {};
    const resets = [];
    for (const [stream, followers] of wanted) {
      const all = this.#followersOf(stream);
      // Of two epochs, at least one has ended. Only the server knows which, so all start again.
      const epochs = all.map(({ places }) => places.get(stream)?.epoch).filter(Boolean);
      if (new Set(epochs).size > 1) {
        for (const follower of all) follower.forget(stream);
        resets.push({ type: "reset", stream, reason: "epoch" });
      }
      const places = followers.map(({ places }) => places.get(stream)).filter(Boolean);
      const start = places.length ? places.reduce(earlier) : null;
      for (const follower of all) follower.expect(stream, start);
      this.#starts.set(stream, start);
      streams[stream] = start && format(start);
    }
    this.#client.subscribe(streams);
    for (const frame of resets) {
      for (const follower of this.#followersOf(frame.stream)) follower.call("onReset", frame);
    }
  }

  // The server has checked the cursor. If followers wait, the router now subscribes for them.
  #subscribed(stream) {
    const followers = this.#followersOf(stream);
    if (this.#starts.get(stream) === null) {
      const start = parse(this.#client.cursors[stream]);
      this.#starts.set(stream, start);
      for (const follower of followers) follower.begin(stream, start);
    }
    const waiting = followers.filter((each) => each.waiting.has(stream));
    // Include every follower with a place. Otherwise two of them could make each other wait
    // forever.
    const isForStart = waiting.every(({ places }) => places.get(stream) === null);
    if (waiting.length) this.#subscribe([[stream, isForStart ? waiting : followers]]);
  }

  // -- frames of the server ------------------------------------------------------------

  #pass(name, frame) {
    for (const follower of this.#followersOf(frame.stream)) follower.take(name, frame);
  }

  #reset(frame) {
    this.#starts.set(frame.stream, null);
    for (const follower of this.#followersOf(frame.stream)) {
      follower.forget(frame.stream);
      follower.call("onReset", frame);
    }
  }

  #refused(stream, detail) {
    this.#starts.delete(stream);
    for (const follower of this.#followersOf(stream)) {
      follower.places.delete(stream);
      follower.call("onRefused", stream, detail);
      if (follower.places.size === 0) this.#dismiss(follower);
    }
  }

  // The follower has no stream left.
  #dismiss(follower) {
    follower.call("onStatus", "refused");
    this.#leave(follower);
  }

  #statusChanged(status) {
    if (status === "signed-out" || status === "refused") this.#client = null;
    for (const follower of [...this.#followers]) follower.call("onStatus", status);
  }

  #streams() {
    return [...this.#followers].flatMap(({ places }) => [...places.keys()]);
  }

  // Returns a copy, because a handler may remove and add followers during a loop.
  #followersOf(stream) {
    return [...this.#followers].filter(({ places }) => places.has(stream));
  }
}
