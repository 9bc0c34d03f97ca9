// A cursor of our own server, `<epoch>.<offset>.<revision>`: as notifications/streams/cursor.py.

const FORM = /^([\w-]+)\.(\d+)\.(\d+)$/;

// Its parts; null for the start, which null stands for.
export function parse(cursor) {
  const found = FORM.exec(cursor);
  return found && { epoch: found[1], offset: Number(found[2]), revision: Number(found[3]) };
}

export function format({ epoch, offset, revision }) {
  return `${epoch}.${offset}.${revision}`;
}

// Whether whoever stands at `place` misses nothing of what comes after `start`.
export function isAtOrAfter(place, start) {
  if (start === null) return true;
  return (
    place !== null &&
    place.epoch === start.epoch &&
    place.offset >= start.offset &&
    place.revision >= start.revision
  );
}

// Where both, of one epoch, miss nothing of what comes.
export function earlier(a, b) {
  return {
    epoch: a.epoch,
    offset: Math.min(a.offset, b.offset),
    revision: Math.min(a.revision, b.revision),
  };
}
