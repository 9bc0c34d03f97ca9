// What a newer snapshot means for a card that shows an older one. No DOM.

const FINAL = new Set(["succeeded", "failed", "cancelled"]);

// A worker has it, and reports.
const HELD = new Set(["running", "pausing", "cancelling"]);

export function isFinal(snapshot) {
  return FINAL.has(snapshot.status);
}

export function isHeld(snapshot) {
  return HELD.has(snapshot.status);
}

// The words of a card depend on these. They are in the server's templates and nowhere
// else, so when one of these changes the card is fetched anew.
function words({ status, stage, waits_for, attempt, queue_position }) {
  return [status, stage, waits_for, attempt, queue_position].join();
}

// "fetch": other words are needed · "patch": new numbers for the same words · "skip": it is
// over, and nothing can be newer.
export function step(shown, next) {
  if (isFinal(shown)) return "skip";
  return words(shown) === words(next) ? "patch" : "fetch";
}

// Whether an export that is not on the page belongs there: one that is under way, or has
// finished since the page was made. After a reset the server tells of all it knows.
export function belongs(snapshot, pageMadeAt) {
  return !isFinal(snapshot) || Date.parse(snapshot.finished_at) > pageMadeAt;
}

const THRESHOLDS = [75, 50, 25];

// What a screen reader is told between two snapshots: rarely, and never each percent.
// The name of a sentence, or null.
export function milestone(shown, next, percent) {
  if (shown.status !== next.status) return next.status;
  const [before, after] = [percent(shown), percent(next)];
  if (after === null) return null;
  return THRESHOLDS.some((each) => (before ?? 0) < each && each <= after) ? "progress" : null;
}
