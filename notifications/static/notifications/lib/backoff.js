// How long to wait before the next attempt.

export const BASE_MS = 500;
export const CAP_MS = 30_000;

// Full jitter: anything between nothing and the ceiling. A server that restarts with
// thousands of pages open gets them back spread out, not in waves.
export function fullJitter(attempt, random = Math.random) {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
