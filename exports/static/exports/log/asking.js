// Asks for the earlier lines of a log, and says in their note how that goes.

import { fullJitter } from "../../notifications/lib/backoff.js";

// Failures until it is left to the reader to try again.
const ATTEMPTS = 4;

// An `ask` for `earlier.js`, which says in `note` how it goes, and has a button there to try again.
export function asking(note, signal) {
  const [, loading, failed] = note.children;
  const say = (part) => [...note.children].forEach((each) => (each.hidden = each !== part));
  return async (url) => {
    for (;;) {
      say(loading);
      const answer = await fetchJson(url, signal);
      if (answer) return answer;
      say(failed);
      await new Promise((resolve) => {
        failed.querySelector("button").addEventListener("click", resolve, { once: true });
      });
    }
  };
}

// Null if it cannot be had. Throws when `signal` is aborted.
async function fetchJson(url, signal) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      const response = await fetch(url, { cache: "no-store", redirect: "manual", signal });
      if (response.ok) return await response.json();
      if (response.status < 500) return null;
    } catch {
      signal.throwIfAborted();
    }
    await new Promise((resolve) => setTimeout(resolve, fullJitter(attempt)));
  }
  return null;
}
