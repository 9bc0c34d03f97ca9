// Chooses the transport: the best one that works.

import { Polling } from "./poll.js";
import { Socket } from "./socket.js";
import { ServerSentEvents } from "./sse.js";

// The transports, best first. `room` is the maximum number of streams. Server-sent events need a
// connection for each stream, and a browser has six connections for all pages of a host.
export const RUNGS = [
  { name: "websocket", Transport: Socket, room: Infinity },
  { name: "sse", Transport: ServerSentEvents, room: 2 },
  { name: "polling", Transport: Polling, room: Infinity },
];

// The number of failures before the next transport is tried. A single failure may have another
// cause, such as a server that was starting.
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

  // Returns the rung to use for this number of streams.
  pick(streams) {
    return this.#rungs.slice(this.#at).find(({ room }) => streams <= room);
  }

  worked() {
    this.#failures = 0;
  }

  // The transport could not connect, although the server is up.
  failed() {
    this.#failures += 1;
    if (this.#failures >= FAILURES) this.descend();
  }

  // The transport is blocked. After the last one, the first is tried again: then the cause is not
  // the transport.
  descend() {
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.#rungs.length;
  }

  climb() {
    this.#failures = 0;
    this.#at = 0;
  }
}
