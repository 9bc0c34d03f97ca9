// One follower of a shared connection: its positions, and which frames are new to it.

import { format, isAtOrAfter, parse } from "../client/cursor.js";

export class Follower {
  places = new Map(); // stream -> place, or null for the start
  waiting = new Set(); // Streams whose current subscription begins after this follower's place.
  isGone = false; // After that, no handler is called and no place changes.
  #handlers;
  #report;

  constructor(streams, handlers, report) {
    for (const [stream, cursor] of Object.entries(streams)) this.places.set(stream, parse(cursor));
    this.#handlers = handlers;
    this.#report = report;
  }

  get cursors() {
    const all = [...this.places];
    return Object.fromEntries(all.map(([stream, place]) => [stream, place && format(place)]));
  }

  // The router subscribes to `stream` from `start`.
  expect(stream, start) {
    if (isAtOrAfter(this.places.get(stream), start)) this.waiting.delete(stream);
    else this.waiting.add(stream);
  }

  // Everything that is stored of `stream` follows. It begins after `start`.
  begin(stream, start) {
    if (this.places.get(stream) === null) this.places.set(stream, start);
    this.expect(stream, start);
  }

  forget(stream) {
    if (this.isGone) return;
    this.places.set(stream, null);
    this.waiting.delete(stream);
  }

  // Passes on an event or a state, unless the follower already has it.
  take(name, frame) {
    if (this.isGone || this.waiting.has(frame.stream)) return;
    const place = this.places.get(frame.stream);
    const number = frame.type === "state" ? "revision" : "offset";
    if (place && frame[number] <= place[number]) return;
    const now = place ? { ...place, [number]: frame[number] } : parse(frame.cursor);
    this.places.set(frame.stream, now);
    this.call(name, { ...frame, cursor: format(now) });
  }

  // An error in a page's handler is reported and does not affect other followers.
  call(name, ...values) {
    if (this.isGone) return;
    try {
      this.#handlers[name]?.(...values);
    } catch (error) {
      this.#report(error);
    }
  }
}
