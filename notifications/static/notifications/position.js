// How far a client has come in one stream.

// What our own server writes: `<epoch>.<offset>.<revision>` (notifications/cursor.py).
const CURSOR = /^[\w-]+\.(\d+)\.(\d+)$/;

export class Position {
  // `cursor` is stored, and handed back to resume. Null is the start, "latest" is now:
  // where that is, only the server knows, so any number is the next one.
  constructor(cursor = null) {
    this.cursor = cursor;
    const [, offset, revision] = CURSOR.exec(cursor) ?? [];
    this.offset = offset === undefined ? null : Number(offset);
    this.revision = revision === undefined ? null : Number(revision);
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
