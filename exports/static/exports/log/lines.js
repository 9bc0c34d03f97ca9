// The lines of a log, sorted by offset: all lines, those that pass the filter, and the matches of
// the search among those.

import { pattern, severity } from "./text.js";

export class Lines {
  shown = []; // The lines that pass the filter.
  found = []; // The indexes of matches in `shown`.
  pattern = null;
  #all = [];
  #minSeverity = 0;
  #earlier = 0; // The number of lines that were inserted before those of the page.

  // Adds lines at the end, except those that are there already.
  append(lines) {
    for (const line of lines) {
      if (line.offset <= (this.#all.at(-1)?.offset ?? 0)) continue;
      this.#all.push(line);
      this.#show(line);
    }
  }

  // Adds lines after those inserted so far, and before those of the page.
  insert(lines) {
    const rest = this.#all.slice(this.#earlier);
    this.#all = this.#all.slice(0, this.#earlier).concat(lines, rest);
    this.#earlier += lines.length;
    this.#showAll();
  }

  clear() {
    this.#all = [];
    this.#earlier = 0;
    this.#showAll();
  }

  // Shows only lines of at least this severity.
  filter(minSeverity) {
    this.#minSeverity = minSeverity;
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
    if (severity(line.level) < this.#minSeverity) return;
    this.#find(line, this.shown.push(line) - 1);
  }

  #find(line, index) {
    if (this.pattern && line.message.search(this.pattern) >= 0) this.found.push(index);
  }
}

// Returns the index of the first item for which `isReached` is true, or the length if there is none.
// It is a binary search: `isReached` must be true for all later items, too.
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

// Returns which of `found` comes next after the line at `index`, or before it if `step` is -1, and
// starts over at the ends. If `step` is 0, it may be the line itself. Returns -1 without matches.
export function nextFound(found, index, step) {
  const { length } = found;
  if (length === 0) return -1;
  const after = firstIndex(found, (each) => (step > 0 ? each > index : each >= index));
  return (after + (step < 0 ? length - 1 : 0)) % length;
}
