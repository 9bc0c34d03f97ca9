// Many followers, one connection. No DOM in here, and nothing of tabs.
//
// Each follower has a place of its own in each of its streams. The connection follows a
// stream once, from a cursor that was asked for, and a follower takes of it what is news to
// it. One that stands before that cursor would miss something. It waits until the stream is
// asked for from where it stands; what the others then get again is no news to them.
//
// Who joins is asked for first, also from a later cursor, so that the server judges each
// cursor: does its epoch go on, and is what follows it still kept? If not, all begin anew.

import { earlier, format, parse } from "../client/cursor.js";
import { Follower } from "./follower.js";
import { StreamClient } from "../client/stream.js";

// Streams that a socket may follow (notifications/protocol/frames.py).
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
  #client = null; // While somebody follows, and coming back makes sense.
  #page = null; // Of who joined last.
  #followers = new Set();
  #starts = new Map(); // stream -> the place that it was asked for from

  // `isSignedIn(page)` asks at the page of a follower.
  constructor({ url, api, isSignedIn, env = {} }) {
    this.#url = url;
    this.#api = api;
    this.#isSignedIn = isSignedIn;
    this.#env = { ...browser, ...env };
  }

  // Follow `streams`, each from a cursor, or from null: everything that is kept. The
  // handlers are StreamClient's. The cursor of a frame is where this very follower stands.
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

  // Whether these fit in beside what is followed. One follower alone gets what there is.
  hasRoomFor(streams) {
    return this.#followers.size === 0 || new Set([...this.#streams(), ...streams]).size <= ROOM;
  }

  // The network or a tab is back.
  wake() {
    this.#client?.wake();
  }

  // -- followers come and go -----------------------------------------------------------

  // For the first follower; or for all, when one comes after it was over.
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
    this.#subscribe([...new Set(this.#streams())].map((stream) => [stream, this.#followersOf(stream)]));
    this.#client?.start(); // A handler may have left.
  }

  #welcome(follower) {
    const { cursors } = this.#client;
    const elsewhere = Object.entries(follower.cursors).filter(
      ([stream, cursor]) => cursor !== cursors[stream],
    );
    if (elsewhere.length) this.#subscribe(elsewhere.map(([stream]) => [stream, [follower]]));
    if (this.#client) follower.call("onStatus", this.#client.status);
    this.wake(); // A page has been loaded, so there is a network.
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

  // -- from where to follow a stream ---------------------------------------------------

  // `wanted` has pairs: a stream, and followers to ask for. Those of them that stand later
  // than others take what comes anew, too.
  #subscribe(wanted) {
    const streams = {};
    const resets = [];
    for (const [stream, followers] of wanted) {
      const all = this.#followersOf(stream);
      // Of two epochs one means nothing any more. Which one, only the server knows.
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

  // The server has judged what it was asked for. Now those who wait can have their turn.
  #subscribed(stream) {
    const followers = this.#followersOf(stream);
    if (this.#starts.get(stream) === null) {
      const start = parse(this.#client.cursors[stream]);
      this.#starts.set(stream, start);
      for (const follower of followers) follower.begin(stream, start);
    }
    const waiting = followers.filter((each) => each.waiting.has(stream));
    // All who stand somewhere, or one could keep the other waiting for ever.
    const isForStart = waiting.every(({ places }) => places.get(stream) === null);
    if (waiting.length) this.#subscribe([[stream, isForStart ? waiting : followers]]);
  }

  // -- what comes ----------------------------------------------------------------------

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

  // There is nothing for it to follow.
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

  // Those of now: a handler may let some of them go, and bring others.
  #followersOf(stream) {
    return [...this.#followers].filter(({ places }) => places.has(stream));
  }
}
