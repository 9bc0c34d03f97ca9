// A WebSocket that carries all streams of a client: the first transport. See docs/protocol.md.
//
// A transport is made for one connection. It has subscribe(streams) and unsubscribe(streams),
// received(stream) for each frame that the client has dealt with, check() for when the
// connection may be dead, and close(), after which it says nothing any more. It asks its
// client, `on`, and tells it:
//   cursor(stream)            where to begin: how far the client has come
//   opened()                  it works
//   followed(stream, cursor)  it follows this stream, all that comes after the cursor; null:
//                             the client's means nothing any more, and a reset says so
//   frame(frame)              an event, a state or a reset of such a stream
//   refused(stream, detail)   the server will not send this stream
//   ended(reason)             it is over, and why:
//     "failed"      it could not be had: is the server there, is the user signed in?
//     "blocked"     it could be had, but nothing comes through
//     "lost"        it has worked, and does not any more
//     "full"        the server accepts no more connections, of this user or of any user
//     "later"       the server cannot answer for a while
//     "signed-out", and "refused" (this client makes mistakes): do not come back

import { ANSWER_MS, Timers } from "../lib/timers.js";

export const PROTOCOL = "waybill.v1";

// Why a server closes (notifications/protocol/frames.py). Any other code is a loss: come back.
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
  #timers; // silence, ack
  // stream -> "due": to be asked for. "asked": what comes is from before. "followed": it was
  // answered. "again", "left": to be asked for anew, or left, as soon as it is answered.
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
    // What comes after close() is not about this connection any more.
    this.#socket.onopen = () => (this.#isOpen = true);
    this.#socket.onmessage = ({ data }) => this.#socket && this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#socket && this.#end(ENDS.get(code) ?? "lost");
    this.#expectFrameWithin(ANSWER_MS);
  }

  // Two requests for one stream are never under way at once: which of them an answer is to,
  // and which a frame belongs to, could not be told.
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
      if (state === "asked" || state === "again") this.#streams.set(stream, "left");
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
      // heartbeat and pong have said all by arriving. What a newer server may send besides
      // is not for us.
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

  // Ask for all that is due, in one frame.
  #sendSubscribe() {
    if (!this.#isWelcome) return;
    const due = [...this.#streams.keys()].filter((each) => this.#streams.get(each) === "due");
    if (!due.length) return;
    for (const stream of due) this.#streams.set(stream, "asked");
    const cursors = due.map((stream) => [stream, this.#on.cursor(stream)]);
    this.#send({ type: "subscribe", streams: Object.fromEntries(cursors) });
  }

  get #isAwaitingAnswer() {
    return [...this.#streams.values()].some((state) => !["due", "followed"].includes(state));
  }

  // Not recovered: a reset follows. Until it is here, only the old cursor asks for it.
  #subscribed({ stream, cursor, recovered }) {
    if (this.#isAnswered(stream)) this.#on.followed(stream, recovered ? cursor : null);
  }

  #refused({ stream, detail }) {
    // A whole frame was refused: too much was asked for at once. It will not be answered.
    if ((stream ?? null) === null && this.#isAwaitingAnswer) return this.#end("later");
    if (!this.#isAnswered(stream)) return;
    this.#streams.delete(stream);
    this.#on.refused(stream, detail);
  }

  // The server has answered for `stream`. Whether that is what is wanted by now.
  #isAnswered(stream) {
    const state = this.#streams.get(stream);
    if (state === undefined) return false;
    this.#streams.set(stream, "followed");
    if (state === "again") this.subscribe([stream]);
    else if (state === "left") this.unsubscribe([stream]);
    return state === "asked" || state === "followed";
  }

  #ackAll() {
    for (const stream of [...this.#unacked.keys()]) this.#ack(stream);
  }

  #ack(stream) {
    this.#unacked.delete(stream);
    const cursor = this.#on.cursor(stream);
    // After a reset there is none until the next frame.
    if (cursor !== null) this.#send({ type: "ack", stream, cursor });
  }

  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }
}
