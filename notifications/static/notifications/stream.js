// Follows durable streams, and loses nothing: see docs/protocol.md.
//
//   const client = new StreamClient({
//     url: "wss://example.com/ws/streams/",
//     subscriptions: { "user-42": cursor },   // null: everything that is kept
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},                      // forget what you hold of frame.stream
//     onSubscribed(stream) {},                // its cursor is good: all that comes after follows
//     onRefused(stream, detail) {},           // the server will not send it; the others go on
//     onStatus(status) {},                    // one of those below
//   });
//   client.start();
//   client.subscribe({ "export-6f9c…": null }); // At any time. From another cursor: anew.
//   client.unsubscribe(["user-42"]);
//
// Each event arrives once and in order, each value only if it is newer. When the
// connection goes, the client comes back by itself and resumes from its cursors.
// No DOM in here: a page tells it with wake() that the network or the tab is back.

import { fullJitter } from "./backoff.js";
import { Position } from "./position.js";
import { Socket } from "./socket.js";
import { Timers } from "./timers.js";

// The statuses. "connecting": a first or further attempt is under way. "live": every stream
// is followed. "lost": waiting before the next attempt. "signed-out", "refused" (this client
// makes mistakes): over, and trying again would not help. "stopped": by stop().

// A connection that lived this long was a good one: the next back-off starts small.
const PROVEN_MS = 5000;
// The first wait after "over capacity" has this attempt's ceiling: 8 s.
const LATER_ATTEMPT = 4;

const browser = {
  connect: (url, protocol) => new WebSocket(url, protocol),
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (id) => clearTimeout(id),
  now: () => Date.now(),
  random: () => Math.random(),
  report: (error) => (globalThis.reportError ?? console.error)(error),
};

const nothing = () => {};

export class StreamClient {
  #url;
  #on;
  #env;
  #timers; // retry
  #positions = new Map(); // stream -> Position
  #following = new Set(); // streams that this connection has confirmed
  #gaps = new Map(); // stream -> the offset that a reconnect was made for
  #transport = null;
  #openSince = null; // when the transport began to take streams
  #status = "stopped";
  #attempt = 0;

  // `isSignedIn`, asked after a refused handshake, tells a session that is over from a
  // server that is down: a browser does not say why a handshake failed.
  constructor({
    url,
    subscriptions = {},
    onEvent = nothing,
    onState = nothing,
    onReset = nothing,
    onSubscribed = nothing,
    onRefused = nothing,
    onStatus = nothing,
    isSignedIn = async () => true,
    env = {},
  }) {
    this.#url = url;
    this.#on = {
      event: onEvent,
      state: onState,
      reset: onReset,
      subscribed: onSubscribed,
      refused: onRefused,
      status: onStatus,
      isSignedIn,
    };
    this.#env = { ...browser, ...env };
    this.#timers = new Timers(this.#env);
    this.subscribe(subscriptions);
  }

  get status() {
    return this.#status;
  }

  // Where each stream stands: what a later client would resume from.
  get cursors() {
    return Object.fromEntries([...this.#positions].map(([name, { cursor }]) => [name, cursor]));
  }

  // Follow these streams, too. One that is followed already starts anew from its cursor.
  subscribe(streams) {
    for (const [stream, cursor] of Object.entries(streams)) {
      this.#forget(stream);
      this.#positions.set(stream, new Position(cursor));
    }
    if (this.#openSince !== null) this.#transport.subscribe(streams);
  }

  unsubscribe(streams) {
    for (const stream of streams) this.#forget(stream);
    if (this.#openSince !== null) this.#transport.unsubscribe(streams);
    this.#checkLive();
  }

  start() {
    if (this.#status === "stopped") this.#connect();
  }

  stop() {
    this.#end("stopped");
  }

  // The network or the tab is back: do not sit out the back-off, and do not trust a
  // connection that may have died unheard while the machine slept.
  wake() {
    if (this.#status === "lost") this.#connect();
    else if (this.#openSince !== null) this.#transport.check();
  }

  // -- the connection ----------------------------------------------------------------

  #connect() {
    this.#timers.disarmAll();
    this.#say("connecting");
    this.#transport = new Socket({
      url: this.#url,
      env: this.#env,
      on: {
        opened: () => this.#opened(),
        subscribed: (...answer) => this.#subscribed(...answer),
        frame: (frame) => (frame.type === "reset" ? this.#reset(frame) : this.#take(frame)),
        refused: (...answer) => this.#refused(...answer),
        ended: (reason) => this.#ended(reason),
      },
    });
  }

  #opened() {
    this.#openSince = this.#env.now();
    this.#transport.subscribe(this.cursors);
    this.#checkLive();
  }

  #ended(reason) {
    if (reason === "signed-out" || reason === "refused") this.#end(reason);
    else this.#lose({ later: reason === "later" });
  }

  // The connection is gone, or not worth keeping. `now`: come back without waiting.
  #lose({ later = false, now = false } = {}) {
    const wasOpen = this.#openSince !== null;
    if (wasOpen && this.#env.now() - this.#openSince >= PROVEN_MS) this.#attempt = 0;
    this.#drop();
    if (later) this.#attempt = Math.max(this.#attempt, LATER_ATTEMPT);
    this.#say("lost");
    if (this.#status !== "lost") return; // A handler has stopped us.
    const wait = now ? 0 : fullJitter(this.#attempt, this.#env.random);
    this.#attempt += 1;
    this.#timers.arm("retry", wait, () => (wasOpen ? this.#connect() : this.#retryIfSignedIn()));
  }

  async #retryIfSignedIn() {
    const signedIn = await this.#on.isSignedIn().catch(() => true);
    if (this.#status !== "lost") return; // Woken or stopped meanwhile.
    if (signedIn) this.#connect();
    else this.#end("signed-out");
  }

  #end(status) {
    this.#drop();
    this.#say(status);
  }

  #drop() {
    this.#timers.disarmAll();
    this.#transport?.close();
    this.#transport = null;
    this.#openSince = null;
    this.#following.clear();
  }

  // -- what the server says ------------------------------------------------------------

  #subscribed(stream, cursor, recovered) {
    // Not recovered: a reset follows. Until it is here, only the old cursor asks for it.
    if (recovered && this.#positions.get(stream).offset === null) {
      this.#positions.set(stream, new Position(cursor));
    }
    this.#following.add(stream);
    if (recovered) this.#call("subscribed", stream);
    this.#checkLive();
  }

  #take(frame) {
    const position = this.#positions.get(frame.stream);
    switch (position.judge(frame)) {
      case "old":
        break;
      case "gap":
        // Never twice for the same hole: then it is the server's, and waiting is no help.
        if (this.#gaps.get(frame.stream) !== frame.offset) {
          this.#gaps.set(frame.stream, frame.offset);
          return this.#lose({ now: true });
        }
      // falls through
      case "next":
        position.advance(frame);
        this.#call(frame.type, frame);
    }
    // The handler may have stopped us, or asked for the stream from elsewhere.
    if (this.#positions.get(frame.stream) === position) {
      this.#transport?.received(frame.stream, position.cursor);
    }
  }

  #reset(frame) {
    // Numbers begin anew, and nothing that was seen before counts.
    this.#positions.set(frame.stream, new Position());
    this.#gaps.delete(frame.stream);
    this.#call("reset", frame);
  }

  #refused(stream, detail) {
    this.#forget(stream);
    this.#call("refused", stream, detail);
    this.#checkLive();
  }

  #checkLive() {
    if (this.#openSince !== null && this.#following.size === this.#positions.size) {
      this.#say("live");
    }
  }

  // -- small things ----------------------------------------------------------------------

  #forget(stream) {
    this.#positions.delete(stream);
    this.#following.delete(stream);
    this.#gaps.delete(stream);
  }

  // A handler that throws is its page's mistake. The stream goes on.
  #call(name, ...values) {
    try {
      this.#on[name](...values);
    } catch (error) {
      this.#env.report(error);
    }
  }

  #say(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#call("status", status);
  }
}
