// Cursors of our own server: `<epoch>.<offset>.<revision>`, as in notifications/streams/cursor.py.

const PATTERN = /^([\w-]+)\.(\d+)\.(\d+)$/;

// Returns the parts of a cursor, or null for an invalid one. The cursor null, which is the start of
// a stream, has no parts.
export function parse(cursor) {
  const found = PATTERN.exec(cursor);
  return found && { epoch: found[1], offset: Number(found[2]), revision: Number(found[3]) };
}

export function format({ epoch, offset, revision }) {
  return `${epoch}.${offset}.${revision}`;
}

// Returns whether a follower at `place` misses nothing if the stream is delivered after `start`.
export function isAtOrAfter(place, start) {
  if (start === null) return true;
  return (
    place !== null &&
    place.epoch === start.epoch &&
    place.offset >= start.offset &&
    place.revision >= start.revision
  );
}

// Returns the place from which neither of two followers misses anything. Both have the same epoch.
export function earlier(a, b) {
  return {
    epoch: a.epoch,
    offset: Math.min(a.offset, b.offset),
    revision: Math.min(a.revision, b.revision),
  };
}
