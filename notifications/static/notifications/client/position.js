// The position of a client in one stream.

import { parse } from "./cursor.js";

export class Position {
  // `cursor` is where the client resumes: null means the start, and "latest" the current end. Only
  // the server knows the offsets of those two, so any first offset is accepted.
  constructor(cursor = null) {
    this.cursor = cursor;
    const { offset = null, revision = null } = parse(cursor) ?? {};
    this.offset = offset;
    this.revision = revision;
  }

  // Returns whether a frame is the "next" one, an "old" one, or comes after a "gap". Offsets have
  // no gaps. Revisions have, because only the newest value of a key is sent.
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
