// Decides which toasts are shown, and for how long. No DOM.

import { Timers } from "../lib/timers.js";

export const MAX_SHOWN = 3; // More would hide the page.
export const LIFE_MS = 8_000; // Enough to read two lines. The bell keeps the notification.
// Older events get no toast. After a lost connection the bell counts them, but does not show a
// hundred toasts. Both times are by the server's clock.
export const RECENT_MS = 60_000;

export function isRecent(at, now) {
  return Date.parse(now) - Date.parse(at) <= RECENT_MS;
}

export class Stack {
  items = []; // { offset, … }, the newest last
  more = 0; // The number of notifications that are not shown.
  #show;
  #isHeld;
  #timers;

  // `show(stack)` renders the stack. While `isHeld()` is true, no toast disappears: the user points
  // at the toasts, has the focus in them, or does not see the page.
  constructor({ show, isHeld, env = globalThis }) {
    this.#show = show;
    this.#isHeld = isHeld;
    this.#timers = new Timers({
      setTimeout: (...args) => env.setTimeout(...args),
      clearTimeout: (id) => env.clearTimeout(id),
    });
  }

  add(item) {
    this.items.push(item);
    if (this.items.length > MAX_SHOWN) {
      this.#timers.disarm(this.items.shift().offset);
      this.more += 1;
    }
    this.#arm(item);
    this.#show(this);
  }

  // Counts a notification that cannot be shown.
  miss() {
    this.more += 1;
    if (this.items.length) this.#show(this);
  }

  close(offset) {
    this.#keep((item) => item.offset !== offset);
  }

  closeAll() {
    this.#keep(() => false);
  }

  // Closes the toasts up to `offset`, which were read here or in another tab.
  read(offset) {
    this.#keep((item) => item.offset > offset);
  }

  // Restarts the timers of all toasts, when the user no longer holds them.
  renew() {
    for (const item of this.items) this.#arm(item);
  }

  #arm(item) {
    this.#timers.arm(item.offset, LIFE_MS, () =>
      this.#isHeld() ? this.#arm(item) : this.close(item.offset),
    );
  }

  #keep(isKept) {
    const gone = this.items.filter((item) => !isKept(item));
    if (gone.length === 0) return;
    for (const { offset } of gone) this.#timers.disarm(offset);
    this.items = this.items.filter(isKept);
    // The hidden ones are older than those that were shown. They are still in the bell.
    if (this.items.length === 0) this.more = 0;
    this.#show(this);
  }
}
