// Which transport to use: the best that gets through (a fallback order).

import { Polling } from "./poll.js";
import { Socket } from "./socket.js";
import { ServerSentEvents } from "./sse.js";

// The best first. Each carries at most `room` streams: a browser has six connections for
// all pages of a host, and server-sent events hold one for each stream.
export const RUNGS = [
  { name: "websocket", Transport: Socket, room: Infinity },
  { name: "sse", Transport: ServerSentEvents, room: 2 },
  { name: "polling", Transport: Polling, room: Infinity },
];

// One failure may be anything, such as a server that was just starting.
const FAILURES = 3;

export class Ladder {
  #rungs;
  #at = 0;
  #failures = 0;

  constructor(rungs) {
    this.#rungs = rungs;
  }

  get isAtTop() {
    return this.#at === 0;
  }

  // What to use for so many streams.
  pick(streams) {
    return this.#rungs.slice(this.#at).find(({ room }) => streams <= room);
  }

  worked() {
    this.#failures = 0;
  }

  // It could not be had, though the server is there.
  failed() {
    this.#failures += 1;
    if (this.#failures >= FAILURES) this.descend();
  }

  // It does not get through. If that is the last, it was not for the transport.
  descend() {
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.#rungs.length;
  }

  climb() {
    this.#failures = 0;
    this.#at = 0;
  }
}
