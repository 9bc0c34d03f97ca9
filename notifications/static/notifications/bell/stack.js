// Which toasts are shown, and for how long. No DOM.

import { Timers } from "../lib/timers.js";

export const MAX_SHOWN = 3; // More would hide the page.
export const LIFE_MS = 8_000; // Two lines are read in less, and the bell keeps them.
// What has happened longer ago is no news: after a lost connection the bell counts it, and
// nobody is told a hundred times. By the server's clock on both sides.
export const RECENT_MS = 60_000;

export function isRecent(at, now) {
  return Date.parse(now) - Date.parse(at) <= RECENT_MS;
}

export class Stack {
  items = []; // { offset, … }, the newest last
  more = 0; // Others, for which there was no room.
  #show;
  #isHeld;
  #timers;

  // `show(stack)` puts it on the page. `isHeld()`: the reader points at it, has the focus in
  // it, or does not look at the page: then nothing goes.
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

  // One more that is not at hand.
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

  // Everything up to `offset` has been read, here or elsewhere.
  read(offset) {
    this.#keep((item) => item.offset > offset);
  }

  // The reader lets go of them. Each has all its time again.
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
    // They were before those that are gone, and the bell has them.
    if (this.items.length === 0) this.more = 0;
    this.#show(this);
  }
}
