// Fragments of pages: how they come, and how they take their place.

import { fullJitter } from "../notifications/backoff.js";
import { localise } from "./times.js";

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The element at `url`; null if there is none.
export async function fetchFragment(url) {
  const content = await fetchContent(url);
  if (content) localise(content);
  return content && content.firstElementChild;
}

// What is at `url`; null if there is nothing for this user, or nobody is signed in. A
// server that cannot be reached is asked again: the frame that said "look" is not repeated.
export async function fetchContent(url) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await fetch(url, { redirect: "manual" });
      if (response.ok) return parse(await response.text());
      if (response.status < 500) return null;
    } catch {
      // Not reached.
    }
    await wait(fullJitter(attempt));
  }
}

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Put `element` where `old` is, and the focus where it was.
export function replace(old, element) {
  const focused = focusables(old).indexOf(document.activeElement);
  old.replaceWith(element);
  const all = focusables(element);
  if (focused >= 0) (all[focused] ?? all[0])?.focus({ preventScroll: true });
}

function focusables(element) {
  return [...element.querySelectorAll("a[href], button")];
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
