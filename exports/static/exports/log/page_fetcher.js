// Fetches pages of a log, and shows in a notice whether they are loading or have failed.

import { fullJitter } from "../../notifications/lib/backoff.js";

// After this many failures the user has to try again.
const ATTEMPTS = 4;

// Returns the `fetchPage` for earlier.js. `note` is the notice, which has a button to try again.
export function pageFetcher(note, signal) {
  const [, loading, failed] = note.children;
  const show = (part) => [...note.children].forEach((each) => (each.hidden = each !== part));
  return async (url) => {
    for (;;) {
      show(loading);
      const page = await fetchJson(url, signal);
      if (page) return page;
      show(failed);
      await new Promise((resolve) => {
        failed.querySelector("button").addEventListener("click", resolve, { once: true });
      });
    }
  };
}

// Returns null if all attempts fail. Throws when `signal` is aborted.
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
