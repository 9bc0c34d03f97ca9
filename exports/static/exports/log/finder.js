// The search in a log. It moves from match to match, and shows the number of the current match and
// of all matches.

import { fill, number } from "../lib/format.js";
import { nextFound } from "./lines.js";

export class Finder {
  current = null; // The line of the current match.
  #input;
  #output;
  #buttons;
  #lines;
  #startIndex;
  #reveal;
  #announce;

  // `startIndex()` returns where to search if there is no current match. `reveal(index)` shows a
  // line and marks all matches; without an index it only marks. `announce(text)` is for screen
  // readers. `onLeave` is called when the user ends the search.
  constructor({ root, lines, startIndex, reveal, announce, onLeave }) {
    this.#input = root.querySelector("input");
    this.#output = root.querySelector("output");
    this.#buttons = root.querySelectorAll("button");
    this.#lines = lines;
    this.#startIndex = startIndex;
    this.#reveal = reveal;
    this.#announce = announce;
    this.#input.addEventListener("input", () => this.#search());
    this.#input.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // This Enter chooses a word of an input method.
      if (event.key === "Enter") {
        this.#step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.#input.value = "";
        this.#search();
        onLeave();
      } else {
        return;
      }
      event.preventDefault();
    });
    for (const button of this.#buttons) {
      button.addEventListener("click", () => this.#step(Number(button.dataset.step)));
    }
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  // Shows the number of the current match and of all.
  showCount() {
    const { found, shown, pattern } = this.#lines;
    const { dataset } = this.#output;
    const current = found.indexOf(shown.indexOf(this.current)) + 1;
    const known = { current: number(current), lines: number(found.length) };
    const text = found.length ? fill(dataset.found, known) : dataset.none;
    this.#output.textContent = pattern ? text : "";
    for (const button of this.#buttons) button.disabled = found.length === 0;
  }

  #search() {
    this.#lines.search(this.#input.value);
    this.current = null;
    this.#step(0);
  }

  #step(step) {
    const { shown, found } = this.#lines;
    const index = shown.indexOf(this.current);
    const next = index < 0 ? nextFound(found, this.#startIndex(), 0) : nextFound(found, index, step);
    this.current = shown[found[next]] ?? null;
    this.#reveal(found[next]);
    this.showCount();
    this.#announce(this.#output.textContent);
  }
}
