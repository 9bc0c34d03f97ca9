// A WebSocket that carries all streams of a client: the first transport. See docs/protocol.md.
//
// A transport is made for one connection, and says to its client, `on`:
//   opened()                              it takes streams now
//   subscribed(stream, cursor, recovered) it follows this stream from this cursor
//   frame(frame)                          an event, a state or a reset of such a stream
//   refused(stream, detail)               the server will not send this stream
//   ended(reason)                         it is over: "lost" and the like in ENDS
// The client may call subscribe(), unsubscribe() and received() once it is opened, check()
// when the connection may be dead, and close(), after which nothing is said any more.

import { Timers } from "./timers.js";

export const PROTOCOL = "waybill.v1";

// Why a server closes (notifications/protocol.py). Any other code is a loss: come back.
const ENDS = new Map([
  [4400, "refused"],
  [4401, "signed-out"],
  [1013, "later"],
]);

const ACK_FRAMES = 32;
const ACK_MS = 1000;
// A handshake, or an answer to a ping, that takes longer is not coming.
export const ANSWER_MS = 10_000;

export class Socket {
  #on;
  #socket;
  #timers; // silence, ack
  // stream -> "asked": what comes is from before our request. "followed": it has been
  // answered. { cursor } or "left": what is to be asked for as soon as it is.
  #streams = new Map();
  #unacked = new Map(); // stream -> { frames, cursor } since its last ack
  #ackEvery = ACK_FRAMES;
  #silenceMs = ANSWER_MS;

  constructor({ url, env, on }) {
    this.#on = on;
    this.#timers = new Timers(env);
    this.#socket = env.connect(url, PROTOCOL);
    // What comes after close() is not about this connection any more.
    this.#socket.onmessage = ({ data }) => this.#socket && this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#socket && this.#end(ENDS.get(code) ?? "lost");
    this.#expectFrameWithin(ANSWER_MS);
  }

  subscribe(streams) {
    const now = {};
    for (const [stream, cursor] of Object.entries(streams)) {
      this.#unacked.delete(stream);
      // Two requests for one stream are never under way at once: which of them an answer
      // is to, and which a frame belongs to, could not be told.
      if ((this.#streams.get(stream) ?? "followed") === "followed") {
        now[stream] = cursor;
        this.#streams.set(stream, "asked");
      } else {
        this.#streams.set(stream, { cursor });
      }
    }
    if (Object.keys(now).length) this.#send({ type: "subscribe", streams: now });
  }

  unsubscribe(streams) {
    const now = [];
    for (const stream of streams) {
      this.#unacked.delete(stream);
      if (this.#streams.get(stream) === "followed") {
        now.push(stream);
        this.#streams.delete(stream);
      } else if (this.#streams.has(stream)) {
        this.#streams.set(stream, "left");
      }
    }
    if (now.length) this.#send({ type: "unsubscribe", streams: now });
  }

  // The client has dealt with a frame and stands at `cursor`. The server stops sending when
  // a window of frames is unacknowledged.
  received(stream, cursor) {
    if (this.#socket === null) return; // A handler has stopped us.
    const frames = (this.#unacked.get(stream)?.frames ?? 0) + 1;
    this.#unacked.set(stream, { frames, cursor });
    if (frames >= this.#ackEvery) this.#ack(stream);
    else if (!this.#timers.has("ack")) this.#timers.arm("ack", ACK_MS, () => this.#ackAll());
  }

  // Do not trust a connection that may have died unheard while the machine slept.
  check() {
    this.#send({ type: "ping", id: "" });
    this.#expectFrameWithin(Math.min(ANSWER_MS, this.#silenceMs));
  }

  close() {
    this.#timers.disarmAll();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #end(reason) {
    this.close();
    this.#on.ended(reason);
  }

  #expectFrameWithin(ms) {
    this.#timers.arm("silence", ms, () => this.#end("lost"));
  }

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
      case "reset":
        if (this.#streams.get(frame.stream) === "followed") this.#on.frame(frame);
        return;
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
    this.#on.opened();
  }

  #subscribed({ stream, cursor, recovered }) {
    if (this.#answered(stream)) this.#on.subscribed(stream, cursor, recovered);
  }

  #refused({ stream, detail }) {
    if (this.#answered(stream)) {
      this.#streams.delete(stream);
      this.#on.refused(stream, detail);
    }
  }

  // The server has answered for `stream`. Whether that is what is wanted by now; if not, ask.
  #answered(stream) {
    const wanted = this.#streams.get(stream);
    if (wanted === undefined) return false;
    this.#streams.set(stream, "followed");
    if (wanted === "left") this.unsubscribe([stream]);
    else if (wanted.cursor !== undefined) this.subscribe({ [stream]: wanted.cursor });
    else return true;
    return false;
  }

  #ackAll() {
    for (const stream of [...this.#unacked.keys()]) this.#ack(stream);
  }

  #ack(stream) {
    const { cursor } = this.#unacked.get(stream);
    this.#unacked.delete(stream);
    this.#send({ type: "ack", stream, cursor });
  }

  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }
}
