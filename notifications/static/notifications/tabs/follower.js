// One of those who share a connection: where it stands, and what is news to it.

import { format, isAtOrAfter, parse } from "../client/cursor.js";

export class Follower {
  places = new Map(); // stream -> place, or null for the start
  waiting = new Set(); // streams of which it would miss something, as they are asked for now
  isGone = false; // Then it is told nothing more, and stands still.
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

  // `stream` is asked for from `start`.
  expect(stream, start) {
    if (isAtOrAfter(this.places.get(stream), start)) this.waiting.delete(stream);
    else this.waiting.add(stream);
  }

  // All that is kept of `stream` follows, and begins after `start`.
  begin(stream, start) {
    if (this.places.get(stream) === null) this.places.set(stream, start);
    this.expect(stream, start);
  }

  forget(stream) {
    if (this.isGone) return;
    this.places.set(stream, null);
    this.waiting.delete(stream);
  }

  // An event or a state.
  take(name, frame) {
    if (this.isGone || this.waiting.has(frame.stream)) return;
    const place = this.places.get(frame.stream);
    const number = frame.type === "state" ? "revision" : "offset";
    if (place && frame[number] <= place[number]) return;
    const now = place ? { ...place, [number]: frame[number] } : parse(frame.cursor);
    this.places.set(frame.stream, now);
    this.call(name, { ...frame, cursor: format(now) });
  }

  // A handler that throws is its page's mistake. The others go on.
  call(name, ...values) {
    if (this.isGone) return;
    try {
      this.#handlers[name]?.(...values);
    } catch (error) {
      this.#report(error);
    }
  }
}
