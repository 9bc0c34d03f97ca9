// A WebSocket that carries all streams of a client: the first transport. See docs/protocol.md.
//
// A transport serves one connection. Its methods are subscribe(streams), unsubscribe(streams),
// received(stream) for each frame that the client has handled, check() when the connection may be
// dead, and close(), after which it calls nothing any more. It calls these functions of `on`:
//   cursor(stream)            returns the client's cursor, from which delivery begins
//   opened()                  the connection works
//   followed(stream, cursor)  everything after the cursor will be delivered; null: the client's
//                             cursor is not valid any more, and a reset follows
//   frame(frame)              an event, state or reset frame of a followed stream
//   refused(stream, detail)   the server refuses this stream
//   ended(reason)             the connection has ended, for one of these reasons:
//     "failed"      it could not connect; the server may be down or the user signed out
//     "blocked"     it connected, but no data arrives
//     "lost"        it worked, and does not any more
//     "full"        the server accepts no more connections, of this user or of any user
//     "later"       the server asks the client to wait
//     "signed-out"  the user is signed out: do not reconnect
//     "refused"     this client sends invalid frames: do not reconnect

import { ANSWER_MS, Timers } from "../lib/timers.js";

export const PROTOCOL = "waybill.v1";

// The reasons of the server's close codes (notifications/protocol/frames.py). Any other code means
// that the connection is lost.
const ENDS = new Map([
  [4400, "refused"],
  [4401, "signed-out"],
  [1013, "full"],
]);

const ACK_FRAMES = 32;
const ACK_MS = 1000;

export class Socket {
  #on;
  #socket;
  #timers; // "silence" and "ack"
  // stream -> its state. "due": to be requested. "requested": frames that arrive belong to an
  // earlier request. "followed": the server has replied. "again" and "left": to be requested again,
  // or left, as soon as the server replies.
  #streams = new Map();
  #unacked = new Map(); // stream -> frames since its last ack
  #isOpen = false;
  #isWelcome = false;
  #ackEvery = ACK_FRAMES;
  #silenceMs = ANSWER_MS;

  constructor({ url, env, on }) {
    this.#on = on;
    this.#timers = new Timers(env);
    this.#socket = env.connect(url, PROTOCOL);
    // Events after close() are ignored.
    this.#socket.onopen = () => (this.#isOpen = true);
    this.#socket.onmessage = ({ data }) => this.#socket && this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#socket && this.#end(ENDS.get(code) ?? "lost");
    this.#expectFrameWithin(ANSWER_MS);
  }

  // A stream never has two requests at once. It would be unclear to which of them a reply or a
  // frame belongs.
  subscribe(streams) {
    for (const stream of streams) {
      this.#unacked.delete(stream);
      const isFree = ["due", "followed", undefined].includes(this.#streams.get(stream));
      this.#streams.set(stream, isFree ? "due" : "again");
    }
    this.#sendSubscribe();
  }

  unsubscribe(streams) {
    const followed = [];
    for (const stream of streams) {
      this.#unacked.delete(stream);
      const state = this.#streams.get(stream);
      if (state === "followed") followed.push(stream);
      if (state === "requested" || state === "again") this.#streams.set(stream, "left");
      else if (state !== "left") this.#streams.delete(stream);
    }
    if (followed.length) this.#send({ type: "unsubscribe", streams: followed });
  }

  // The server stops sending when a window of frames is unacknowledged.
  received(stream) {
    const frames = (this.#unacked.get(stream) ?? 0) + 1;
    this.#unacked.set(stream, frames);
    if (frames >= this.#ackEvery) this.#ack(stream);
    else if (!this.#timers.has("ack")) this.#timers.arm("ack", ACK_MS, () => this.#ackAll());
  }

  // Checks a connection that may have died unnoticed while the machine slept.
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
    this.#on.ended(reason === "lost" && !this.#isWelcome ? "failed" : reason);
  }

  #expectFrameWithin(ms) {
    const giveUp = () => this.#end(this.#isOpen && !this.#isWelcome ? "blocked" : "lost");
    this.#timers.arm("silence", ms, giveUp);
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
      // A heartbeat or pong has already reset the timer. Unknown frames of a newer server are
      // skipped.
    }
  }

  #welcomed({ window, heartbeat }) {
    this.#ackEvery = Math.max(1, Math.min(ACK_FRAMES, Math.floor(window / 2) - 1));
    this.#silenceMs = 2 * heartbeat * 1000;
    this.#expectFrameWithin(this.#silenceMs);
    this.#isWelcome = true;
    this.#on.opened();
    this.#sendSubscribe();
  }

  // Subscribes to all streams that are due, in one frame.
  #sendSubscribe() {
    if (!this.#isWelcome) return;
    const due = [...this.#streams.keys()].filter((each) => this.#streams.get(each) === "due");
    if (!due.length) return;
    for (const stream of due) this.#streams.set(stream, "requested");
    const cursors = due.map((stream) => [stream, this.#on.cursor(stream)]);
    this.#send({ type: "subscribe", streams: Object.fromEntries(cursors) });
  }

  get #isAwaitingAnswer() {
    return [...this.#streams.values()].some((state) => !["due", "followed"].includes(state));
  }

  // If it is not recovered, a reset follows. Until then the client keeps its old cursor, because
  // only that one makes the server send the reset after a reconnect.
  #subscribed({ stream, cursor, recovered }) {
    if (this.#isAnswered(stream)) this.#on.followed(stream, recovered ? cursor : null);
  }

  #refused({ stream, detail }) {
    // The server refused a whole subscribe frame, because of a rate limit. It will not reply to it.
    if ((stream ?? null) === null && this.#isAwaitingAnswer) return this.#end("later");
    if (!this.#isAnswered(stream)) return;
    this.#streams.delete(stream);
    this.#on.refused(stream, detail);
  }

  // The server has replied for `stream`. Returns whether that reply is still wanted.
  #isAnswered(stream) {
    const state = this.#streams.get(stream);
    if (state === undefined) return false;
    this.#streams.set(stream, "followed");
    if (state === "again") this.subscribe([stream]);
    else if (state === "left") this.unsubscribe([stream]);
    return state === "requested" || state === "followed";
  }

  #ackAll() {
    for (const stream of [...this.#unacked.keys()]) this.#ack(stream);
  }

  #ack(stream) {
    this.#unacked.delete(stream);
    const cursor = this.#on.cursor(stream);
    // After a reset there is no cursor until the next frame.
    if (cursor !== null) this.#send({ type: "ack", stream, cursor });
  }

  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }
}
