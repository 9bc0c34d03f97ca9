// The search in a log: it goes from line to line, says where it is, and marks what it finds.

import { fill, number } from "../lib/format.js";
import { nextFound } from "./lines.js";

export class Finder {
  current = null; // the line that it has come to
  #input;
  #output;
  #buttons;
  #lines;
  #from;
  #go;
  #say;

  // `from()` gives the index from which to look on when there is no current line. `go(index)`
  // shows a line, or marks only, without one. `leave` is told that the reader is through.
  constructor({ root, lines, from, go, say, leave }) {
    this.#input = root.querySelector("input");
    this.#output = root.querySelector("output");
    this.#buttons = root.querySelectorAll("button");
    this.#lines = lines;
    this.#from = from;
    this.#go = go;
    this.#say = say;
    this.#input.addEventListener("input", () => this.#look());
    this.#input.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // An Enter that chooses a word of an input method.
      if (event.key === "Enter") {
        this.#step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.#input.value = "";
        this.#look();
        leave();
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

  // Say which of how many lines it is.
  count() {
    const { found, shown, pattern } = this.#lines;
    const { dataset } = this.#output;
    const current = found.indexOf(shown.indexOf(this.current)) + 1;
    const known = { current: number(current), lines: number(found.length) };
    const text = found.length ? fill(dataset.found, known) : dataset.none;
    this.#output.textContent = pattern ? text : "";
    for (const button of this.#buttons) button.disabled = found.length === 0;
  }

  #look() {
    this.#lines.search(this.#input.value);
    this.current = null;
    this.#step(0);
  }

  #step(step) {
    const { shown, found } = this.#lines;
    const index = shown.indexOf(this.current);
    const next = index < 0 ? nextFound(found, this.#from(), 0) : nextFound(found, index, step);
    this.current = shown[found[next]] ?? null;
    this.#go(found[next]);
    this.count();
    this.#say(this.#output.textContent);
  }
}
