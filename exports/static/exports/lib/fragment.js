// Fetches fragments of pages, and animates new ones.

import { fullJitter } from "../../notifications/lib/backoff.js";
import { contentOf } from "../../notifications/lib/fragment.js";
import { localize } from "./times.js";

const TOO_MANY = 429;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Returns the element at `url`, or null if there is none.
export async function fetchFragment(url) {
  const content = await fetchContent(url);
  if (content) localize(content);
  return content && content.firstElementChild;
}

// Returns the content at `url`, or null if this user may not see it or is signed out. If the server
// is not reached or overloaded, the request is repeated, because the frame that caused it arrives
// only once.
export async function fetchContent(url) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await fetch(url, { redirect: "manual" });
      if (response.ok) return contentOf(await response.text());
      if (response.status < 500 && response.status !== TOO_MANY) return null;
    } catch {
      // The server was not reached.
    }
    await wait(fullJitter(attempt));
  }
}

// Calls `change`, which adds `element` to the page, and animates it unless the reader prefers less
// motion.
export function animate(change, element) {
  const still = document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still || !document.startViewTransition) return change();
  const transition = document.startViewTransition(() => {
    change();
    element.style.viewTransitionName = "moving";
  });
  // A newer transition cancels this one. The change itself has been made.
  transition.ready.catch(() => {});
  transition.finished.finally(() => (element.style.viewTransitionName = ""));
}
