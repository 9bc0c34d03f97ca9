// Follows durable streams, and loses nothing: see docs/protocol.md.
//
//   const client = new StreamClient({
//     url: "wss://example.com/ws/streams/",
//     api: "https://example.com/api/v1/streams/", // where a WebSocket does not get through
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
// connection goes, the client comes back by itself and resumes from its cursors, by another
// transport if need be. No DOM in here: a page tells it with wake() that the network or the
// tab is back.

import { Connection } from "./connection.js";
import { Position } from "./position.js";

// The statuses. "connecting": a first or further attempt is under way. "live": every stream
// is followed, by whatever transport. "lost": waiting before the next attempt. "busy": waiting
// for ten seconds or more, because the server accepts no more connections; wake() does not end that wait.
// "signed-out", "refused" (this client makes mistakes): over, and trying again would not
// help. "stopped": by stop().

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

// Where the API is, beside the socket's ws/streams/, if the project has it in the usual place.
export const defaultApi = (url) => new URL("../../api/v1/streams/", url.replace(/^ws/, "http")).href;

export class StreamClient {
  #on;
  #report;
  #connection;
  #positions = new Map(); // stream -> Position
  #following = new Set(); // streams that this connection has confirmed
  #gaps = new Map(); // stream -> the offset that a reconnect was made for
  #status = "stopped";

  // `isSignedIn`, asked after an attempt that failed, tells a session that is over from a
  // server that is down. `api` is where Waybill has it beside /ws/streams/, if nothing is
  // said; null is nowhere, and only the WebSocket is tried.
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

  // What the streams come by: "websocket", "sse" or "polling"; null while nothing works.
  get transport() {
    return this.#connection.transport;
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

  // The network or the tab is back: do not sit out the back-off, do not trust a connection
  // that may have died unheard while the machine slept, and see whether a better can be had.
  wake() {
    this.#connection.wake();
  }

  // -- what the server says ------------------------------------------------------------

  // Without a cursor a reset comes, or has come. Until it is here, only the old cursor asks
  // for it.
  #followed(stream, cursor) {
    const isFirst = !this.#following.has(stream);
    this.#following.add(stream);
    if (cursor !== null) {
      // Where "latest" is, or the start.
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
        // Never twice for the same hole: then it is the server's, and waiting is no help.
        if (this.#gaps.get(frame.stream) !== frame.offset) {
          this.#gaps.set(frame.stream, frame.offset);
          return this.#connection.reconnect({ now: true });
        }
      // falls through
      case "next":
        position.advance(frame);
        this.#call(frame.type, frame);
    }
    // The handler may have left the stream, or asked for it from elsewhere.
    if (this.#positions.get(frame.stream) === position) this.#connection.received(frame.stream);
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
    const isComplete = this.#following.size === this.#positions.size;
    if (this.#connection.isOpen && isComplete) this.#setStatus("live");
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
      this.#report(error);
    }
  }

  #setStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#call("status", status);
  }
}
