// Fragments of pages: how they come, and how a new one appears.

import { fullJitter } from "../../notifications/lib/backoff.js";
import { contentOf } from "../../notifications/lib/fragment.js";
import { localise } from "./times.js";

const TOO_MANY = 429;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The element at `url`; null if there is none.
export async function fetchFragment(url) {
  const content = await fetchContent(url);
  if (content) localise(content);
  return content && content.firstElementChild;
}

// What is at `url`; null if there is nothing for this user, or nobody is signed in. A server
// that is not reached, or has too much to do, is asked again: the frame that said "look" is
// not repeated.
export async function fetchContent(url) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await fetch(url, { redirect: "manual" });
      if (response.ok) return contentOf(await response.text());
      if (response.status < 500 && response.status !== TOO_MANY) return null;
    } catch {
      // Not reached.
    }
    await wait(fullJitter(attempt));
  }
}

// Make a change that puts `element` on the page so that the eye can follow, if the reader
// likes motion.
export function animate(change, element) {
  const still = document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still || !document.startViewTransition) return change();
  const transition = document.startViewTransition(() => {
    change();
    element.style.viewTransitionName = "moving";
  });
  // Skipped when another begins. The change has been made.
  transition.ready.catch(() => {});
  transition.finished.finally(() => (element.style.viewTransitionName = ""));
}
