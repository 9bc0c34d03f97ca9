// Follows durable streams over a WebSocket, and loses nothing: see docs/protocol.md.
//
//   const client = new StreamClient({
//     url: "wss://example.com/ws/streams/",
//     subscriptions: { "user-42": cursor },   // null: everything that is kept
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},                      // forget what you hold of frame.stream
//     onStatus(status) {},                    // one of those below
//   });
//   client.start();
//
// Each event arrives once and in order, each value only if it is newer. When the
// connection goes, the client comes back by itself and resumes from its cursors.
// No DOM in here: a page tells it with wake() that the network or the tab is back.

import { fullJitter } from "./backoff.js";
import { Position } from "./position.js";

export const PROTOCOL = "waybill.v1";

// The statuses. "connecting": a first or further attempt is under way. "live": every stream
// is followed. "lost": waiting before the next attempt. "signed-out", "refused": over, and
// trying again would not help. "stopped": by stop().

// Why a server closes (notifications/protocol.py). Any other code is a loss: come back.
const BAD_CLIENT = 4400;
const SIGNED_OUT = 4401;
const TRY_LATER = 1013;

const ACK_FRAMES = 32;
const ACK_MS = 1000;
// A handshake, or an answer to a ping, that takes longer is not coming.
const ANSWER_MS = 10_000;
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
  #positions = new Map(); // stream -> Position
  #following = new Set(); // streams that this connection has confirmed
  #unacked = new Map(); // stream -> frames since its last ack
  #gaps = new Map(); // stream -> the offset that a reconnect was made for
  #socket = null;
  #status = "stopped";
  #attempt = 0;
  #liveSince = null;
  #ackEvery = ACK_FRAMES;
  #silenceMs = ANSWER_MS;
  #timers = {}; // silence, ack, retry

  // `isSignedIn`, asked after a refused handshake, tells a session that is over from a
  // server that is down: a browser does not say why a handshake failed.
  constructor({
    url,
    subscriptions,
    onEvent = nothing,
    onState = nothing,
    onReset = nothing,
    onStatus = nothing,
    isSignedIn = async () => true,
    env = {},
  }) {
    this.#url = url;
    this.#on = { event: onEvent, state: onState, reset: onReset, status: onStatus, isSignedIn };
    this.#env = { ...browser, ...env };
    for (const [stream, cursor] of Object.entries(subscriptions)) {
      this.#positions.set(stream, new Position(cursor));
    }
  }

  get status() {
    return this.#status;
  }

  // Where each stream stands: what a later client would resume from.
  get cursors() {
    return Object.fromEntries([...this.#positions].map(([name, { cursor }]) => [name, cursor]));
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
    if (this.#status === "lost") {
      this.#connect();
    } else if (this.#status === "live") {
      this.#send({ type: "ping", id: "" });
      this.#expectFrameWithin(Math.min(ANSWER_MS, this.#silenceMs));
    }
  }

  // -- the connection ----------------------------------------------------------------

  #connect() {
    this.#disarm("retry");
    this.#say("connecting");
    const socket = this.#env.connect(this.#url, PROTOCOL);
    this.#socket = socket;
    // What a socket says after it was dropped is not about this connection any more.
    const current = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onmessage = current(({ data }) => this.#receive(data));
    socket.onclose = current(({ code }) => this.#closed(code));
    this.#expectFrameWithin(ANSWER_MS);
  }

  #closed(code) {
    if (code === SIGNED_OUT) this.#end("signed-out");
    else if (code === BAD_CLIENT) this.#end("refused");
    else this.#lose(code);
  }

  // The connection is gone, or not worth keeping. `now`: come back without waiting.
  #lose(code = null, { now = false } = {}) {
    const wasOpen = this.#liveSince !== null;
    if (wasOpen && this.#env.now() - this.#liveSince >= PROVEN_MS) this.#attempt = 0;
    this.#drop();
    if (code === TRY_LATER) this.#attempt = Math.max(this.#attempt, LATER_ATTEMPT);
    this.#say("lost");
    const wait = now ? 0 : fullJitter(this.#attempt, this.#env.random);
    this.#attempt += 1;
    this.#arm("retry", wait, () => (wasOpen ? this.#connect() : this.#retryIfSignedIn()));
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
    for (const name of Object.keys(this.#timers)) this.#disarm(name);
    const socket = this.#socket;
    this.#socket = null;
    this.#liveSince = null;
    this.#following.clear();
    this.#unacked.clear();
    socket?.close();
  }

  #expectFrameWithin(ms) {
    this.#arm("silence", ms, () => this.#lose());
  }

  // -- frames --------------------------------------------------------------------------

  #receive(text) {
    this.#expectFrameWithin(this.#silenceMs);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    switch (frame?.type) {
      case "welcome":
        return this.#welcomed(frame);
      case "subscribed":
        return this.#subscribed(frame);
      case "event":
      case "state":
        return this.#take(frame);
      case "reset":
        return this.#reset(frame);
      case "error":
        return this.#refused(frame);
      // heartbeat and pong have said all by arriving. What a newer server may send besides
      // is not for us.
    }
  }

  #welcomed({ window, heartbeat }) {
    this.#ackEvery = Math.max(1, Math.min(ACK_FRAMES, Math.floor(window / 2) - 1));
    this.#silenceMs = 2 * heartbeat * 1000;
    this.#expectFrameWithin(this.#silenceMs);
    this.#liveSince = this.#env.now();
    this.#send({ type: "subscribe", streams: this.cursors });
  }

  #subscribed({ stream, cursor, recovered }) {
    const position = this.#positions.get(stream);
    if (!position) return;
    // Not recovered: a reset follows. Until it is here, only the old cursor asks for it.
    if (recovered) position.cursor = cursor;
    this.#following.add(stream);
    this.#checkLive();
  }

  #take(frame) {
    const position = this.#positions.get(frame.stream);
    if (!position) return;
    switch (position.judge(frame)) {
      case "old":
        break;
      case "gap":
        // Never twice for the same hole: then it is the server's, and waiting is no help.
        if (this.#gaps.get(frame.stream) !== frame.offset) {
          this.#gaps.set(frame.stream, frame.offset);
          return this.#lose(null, { now: true });
        }
      // falls through
      case "next":
        position.advance(frame);
        this.#call(frame.type, frame);
    }
    this.#acknowledge(frame.stream);
  }

  #reset(frame) {
    // Numbers begin anew, and nothing that was seen before counts.
    if (this.#positions.has(frame.stream)) this.#positions.set(frame.stream, new Position());
    this.#gaps.delete(frame.stream);
    this.#call("reset", frame);
  }

  // The server will not send this stream. The others go on.
  #refused({ stream }) {
    if (!this.#positions.delete(stream)) return;
    this.#following.delete(stream);
    if (this.#positions.size) this.#checkLive();
    else this.#end("refused");
  }

  #checkLive() {
    if (this.#following.size === this.#positions.size) this.#say("live");
  }

  // -- acknowledging: the server stops when a window of frames is unacknowledged --------

  #acknowledge(stream) {
    if (this.#socket === null) return; // A handler has stopped us.
    const frames = (this.#unacked.get(stream) ?? 0) + 1;
    this.#unacked.set(stream, frames);
    if (frames >= this.#ackEvery) this.#ack(stream);
    else if (!("ack" in this.#timers)) this.#arm("ack", ACK_MS, () => this.#ackAll());
  }

  #ackAll() {
    for (const stream of [...this.#unacked.keys()]) this.#ack(stream);
  }

  #ack(stream) {
    this.#unacked.delete(stream);
    const cursor = this.#positions.get(stream)?.cursor;
    if (cursor) this.#send({ type: "ack", stream, cursor });
  }

  // -- small things ----------------------------------------------------------------------

  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }

  // A handler that throws is its page's mistake. The stream goes on.
  #call(name, argument) {
    try {
      this.#on[name](argument);
    } catch (error) {
      this.#env.report(error);
    }
  }

  #say(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#call("status", status);
  }

  #arm(name, ms, callback) {
    this.#disarm(name);
    this.#timers[name] = this.#env.setTimeout(() => {
      delete this.#timers[name];
      callback();
    }, ms);
  }

  #disarm(name) {
    this.#env.clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
