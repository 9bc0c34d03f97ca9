// How far a client has come in one stream.

import { parse } from "./cursor.js";

export class Position {
  // `cursor` is stored, and handed back to resume. Null is the start, "latest" is now:
  // where that is, only the server knows, so any number is the next one.
  constructor(cursor = null) {
    this.cursor = cursor;
    const { offset = null, revision = null } = parse(cursor) ?? {};
    this.offset = offset;
    this.revision = revision;
  }

  // Whether an event or state frame is the "next", an "old" one, or comes after a "gap".
  // Offsets have no holes. Revisions have: only the newest value of a key is ever sent.
  judge(frame) {
    if (frame.type === "state") {
      return this.revision !== null && frame.revision <= this.revision ? "old" : "next";
    }
    if (this.offset === null || frame.offset === this.offset + 1) return "next";
    return frame.offset <= this.offset ? "old" : "gap";
  }

  advance(frame) {
    this.cursor = frame.cursor;
    if (frame.type === "state") this.revision = frame.revision;
    else this.offset = frame.offset;
  }
}
