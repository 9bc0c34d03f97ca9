// Follows durable streams without losing anything. See docs/protocol.md.
//
//   const client = new StreamClient({
//     url: "wss://example.com/ws/streams/",
//     api: "https://example.com/api/v1/streams/", // used if WebSockets are blocked
//     subscriptions: { "user-42": cursor },   // null: everything that is stored
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},                      // discard your state of frame.stream
//     onSubscribed(stream) {},                // the cursor is valid; later items follow
//     onRefused(stream, detail) {},           // the server refuses it; other streams go on
//     onStatus(status) {},                    // see below
//   });
//   client.start();
//   client.subscribe({ "export-6f9c…": null }); // At any time, also again from another cursor.
//   client.unsubscribe(["user-42"]);
//
// Each event arrives once and in order, and each value only if it is newer. After a lost connection
// the client reconnects by itself and resumes from its cursors, with another transport if
// necessary. This module uses no DOM. A page calls wake() when the network or the tab is back.

import { Connection } from "./connection.js";
import { Position } from "./position.js";

// The statuses:
//   "connecting"  a first or further attempt is running
//   "live"        every stream is followed, with any transport
//   "lost"        waiting before the next attempt
//   "busy"        waiting for ten seconds or more, because the server accepts no more connections;
//                 wake() does not shorten this wait
//   "signed-out"  ended: the user is signed out
//   "refused"     ended: this client sends invalid frames
//   "stopped"     stop() was called

const browser = {
  connect: (url, protocol) => new WebSocket(url, protocol),
  fetch: (...args) => fetch(...args),
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (id) => clearTimeout(id),
  now: () => Date.now(),
  random: () => Math.random(),
  report: (error) => (globalThis.reportError ?? console.error)(error),
};

const nothing = () => {};

// Returns the URL of the API at its usual place, relative to the socket's ws/streams/.
export function defaultApi(url) {
  return new URL("../../api/v1/streams/", url.replace(/^ws/, "http")).href;
}

export class StreamClient {
  #on;
  #report;
  #connection;
  #positions = new Map(); // stream -> Position
  #following = new Set(); // The streams that this connection has confirmed.
  #gaps = new Map(); // stream -> the offset after a gap that caused a reconnect
  #status = "stopped";

  // `isSignedIn` is called after a failed attempt, to tell an ended session from a server that is
  // down. Without an `api`, it is `defaultApi(url)`. With null, only the WebSocket is tried.
  constructor({
    url,
    api = defaultApi(url),
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
    this.#on = {
      event: onEvent,
      state: onState,
      reset: onReset,
      subscribed: onSubscribed,
      refused: onRefused,
      status: onStatus,
    };
    const whole = { ...browser, ...env };
    this.#report = whole.report;
    this.#connection = new Connection({
      url,
      api,
      isSignedIn,
      env: whole,
      on: {
        streams: () => [...this.#positions.keys()],
        cursor: (stream) => this.#positions.get(stream).cursor,
        renewed: () => this.#following.clear(),
        changed: (status) => (status === "open" ? this.#checkLive() : this.#setStatus(status)),
        followed: (stream, cursor) => this.#followed(stream, cursor),
        frame: (frame) => (frame.type === "reset" ? this.#reset(frame) : this.#take(frame)),
        refused: (stream, detail) => this.#refused(stream, detail),
      },
    });
    this.subscribe(subscriptions);
  }

  get status() {
    return this.#status;
  }

  // The transport in use: "websocket", "sse" or "polling", or null without a connection.
  get transport() {
    return this.#connection.transport;
  }

  // The cursor of each stream, from which a later client can resume.
  get cursors() {
    return Object.fromEntries([...this.#positions].map(([name, { cursor }]) => [name, cursor]));
  }

  // Follows these streams, too. A stream that is followed already restarts from the new cursor.
  subscribe(streams) {
    for (const [stream, cursor] of Object.entries(streams)) {
      this.#forget(stream);
      this.#positions.set(stream, new Position(cursor));
    }
    this.#connection.subscribe(Object.keys(streams));
  }

  unsubscribe(streams) {
    for (const stream of streams) this.#forget(stream);
    this.#connection.unsubscribe(streams);
    this.#checkLive();
  }

  start() {
    this.#connection.start();
  }

  stop() {
    this.#connection.stop();
  }

  // The network or the tab is back. Reconnect at once if the connection is lost, check one that may
  // have died while the machine slept, and try a better transport.
  wake() {
    this.#connection.wake();
  }

  // -- messages of the server ----------------------------------------------------------

  // If the cursor is null, a reset follows or has arrived. Until it arrives, the position stays:
  // only the old cursor makes the server send the reset after a reconnect.
  #followed(stream, cursor) {
    const isFirst = !this.#following.has(stream);
    this.#following.add(stream);
    if (cursor !== null) {
      // Now the position of "latest", or of the start, is known.
      if (this.#positions.get(stream).offset === null) {
        this.#positions.set(stream, new Position(cursor));
      }
      if (isFirst) this.#call("subscribed", stream);
    }
    this.#checkLive();
  }

  #take(frame) {
    const position = this.#positions.get(frame.stream);
    switch (position.judge(frame)) {
      case "old":
        break;
      case "gap":
        // Reconnect only once for a gap. If it is still there, the server has lost the event.
        if (this.#gaps.get(frame.stream) !== frame.offset) {
          this.#gaps.set(frame.stream, frame.offset);
          return this.#connection.reconnect({ now: true });
        }
      // falls through
      case "next":
        position.advance(frame);
        this.#call(frame.type, frame);
    }
    // The handler may have left the stream, or subscribed to it from another cursor.
    if (this.#positions.get(frame.stream) === position) this.#connection.received(frame.stream);
  }

  #reset(frame) {
    // Offsets start again, so the old position means nothing.
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
    const isComplete = this.#following.size === this.#positions.size;
    if (this.#connection.isOpen && isComplete) this.#setStatus("live");
  }

  // -- helpers ---------------------------------------------------------------------------

  #forget(stream) {
    this.#positions.delete(stream);
    this.#following.delete(stream);
    this.#gaps.delete(stream);
  }

  // An error in a page's handler is reported and does not stop the stream.
  #call(name, ...values) {
    try {
      this.#on[name](...values);
    } catch (error) {
      this.#report(error);
    }
  }

  #setStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#call("status", status);
  }
}
