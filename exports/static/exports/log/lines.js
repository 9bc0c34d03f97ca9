// The lines of a log, by offset: all there are, those that the filter shows, and those among
// them in which the search finds something.

import { pattern, severity } from "./text.js";

export class Lines {
  shown = []; // lines, each with its offset, level and message
  found = []; // where in `shown` the search finds something
  pattern = null;
  #all = [];
  #least = 0;
  #before = 0; // how many of them were there before the page was made

  // Those that follow. What is there already is dropped.
  append(lines) {
    for (const line of lines) {
      if (line.offset <= (this.#all.at(-1)?.offset ?? 0)) continue;
      this.#all.push(line);
      this.#show(line);
    }
  }

  // The next of those before the ones that came with the page.
  insert(lines) {
    const rest = this.#all.slice(this.#before);
    this.#all = this.#all.slice(0, this.#before).concat(lines, rest);
    this.#before += lines.length;
    this.#showAll();
  }

  clear() {
    this.#all = [];
    this.#before = 0;
    this.#showAll();
  }

  // Only lines of at least this severity.
  filter(least) {
    this.#least = least;
    this.#showAll();
  }

  search(query) {
    this.pattern = pattern(query);
    this.found = [];
    this.shown.forEach((line, index) => this.#find(line, index));
  }

  #showAll() {
    this.shown = [];
    this.found = [];
    for (const line of this.#all) this.#show(line);
  }

  #show(line) {
    if (severity(line.level) < this.#least) return;
    this.#find(line, this.shown.push(line) - 1);
  }

  #find(line, index) {
    if (this.pattern && line.message.search(this.pattern) >= 0) this.found.push(index);
  }
}

// The first index from which on `isReached` of what is there; the length if there is none.
export function firstIndex(sorted, isReached) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isReached(sorted[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Which of `found` comes after the line at `index` (before it, with a step of -1), around the
// end. With a step of 0 the line itself will do.
export function nextFound(found, index, step) {
  const { length } = found;
  if (length === 0) return -1;
  const after = firstIndex(found, (each) => (step > 0 ? each > index : each >= index));
  return (after + (step < 0 ? length - 1 : 0)) % length;
}
