// Decides what a new snapshot of an export changes on a page. No DOM.

const FINAL = new Set(["succeeded", "failed", "cancelled"]);

// In these statuses a worker holds the export and reports regularly.
const HELD = new Set(["running", "pausing", "cancelling"]);

export function isFinal(snapshot) {
  return FINAL.has(snapshot.status);
}

export function isHeld(snapshot) {
  return HELD.has(snapshot.status);
}

// The texts of a card depend on these fields. They exist only in the server's templates, so a
// change of one of these means that the card must be fetched.
function textKey({ status, stage, waits_for, attempt, queue_position }) {
  return [status, stage, waits_for, attempt, queue_position].join();
}

// Returns "fetch" if the card needs other texts, "patch" if only numbers change, or "skip" if the
// shown export has ended and so cannot change.
export function step(shown, next) {
  if (isFinal(shown)) return "skip";
  return textKey(shown) === textKey(next) ? "patch" : "fetch";
}

// Returns whether an export that is not on the page should be added: it is active, or has finished
// since the page was rendered. After a reset the server sends all exports, also old ones.
export function belongsOnPage(snapshot, pageMadeAt) {
  return !isFinal(snapshot) || Date.parse(snapshot.finished_at) > pageMadeAt;
}

const THRESHOLDS = [75, 50, 25];

// Returns the name of the text that a screen reader announces between two snapshots, or null. Not
// each percent is announced, only the thresholds and changes of the status.
export function milestone(shown, next, percent) {
  if (shown.status !== next.status) return next.status;
  const [before, after] = [percent(shown), percent(next)];
  if (after === null) return null;
  return THRESHOLDS.some((each) => (before ?? 0) < each && each <= after) ? "progress" : null;
}
