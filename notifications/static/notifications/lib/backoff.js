// The wait before the next attempt.

export const BASE_MS = 500;
export const CAP_MS = 30_000;

// Full jitter: a random time up to the ceiling. After a restart of the server, thousands of pages
// reconnect spread out, and not all at once.
export function fullJitter(attempt, random = Math.random) {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
