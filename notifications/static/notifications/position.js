// How far this client has come in one stream.

export class Position {
  // `cursor` is opaque: it is stored, and handed back to resume. Null is the start.
  constructor(cursor = null) {
    this.cursor = cursor;
    // Unknown until the first frame: the server sends nothing from before the cursor.
    this.offset = null;
    this.revision = null;
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
