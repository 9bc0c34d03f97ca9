// The log of an export. The script loads all lines and renders as many of them as a browser can
// handle. Without it, the page has the last lines and a link to the text of all.

import { copyAll, copySelected } from "./copy.js";
import { earlierLines } from "./earlier.js";
import { Finder } from "./finder.js";
import { fromData, fromElement, mark, toElement } from "./line.js";
import { Lines } from "./lines.js";
import { pageFetcher } from "./page_fetcher.js";
import { View } from "./view.js";

// Lines that arrive within this time are rendered together.
const BATCH_MS = 50;

export class Log {
  #root;
  #box;
  #follow;
  #empty;
  #lines = new Lines();
  #view;
  #finder;
  #batch = [];
  #loading = new AbortController();

  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    const list = find("ol");
    const template = find("template").content.firstElementChild;
    const announce = (text) => (find("[data-announcer]").textContent = text);
    this.#root = root;
    this.#box = find("[role=log]");
    this.#follow = find("[data-follow]");
    this.#empty = find(".empty");
    this.#view = new View({
      box: this.#box,
      list,
      render: (line) => this.#mark(toElement(template, line), line),
      onFollow: (isFollowing) => (this.#follow.checked = isFollowing),
    });
    this.#finder = new Finder({
      root: find("[role=search]"),
      lines: this.#lines,
      startIndex: () => this.#view.firstVisible,
      reveal: (index) => this.#reveal(index),
      announce,
      onLeave: () => this.#box.focus({ preventScroll: true }),
    });
    this.#follow.addEventListener("change", () => this.#view.follow(this.#follow.checked));
    this.#box.addEventListener("keydown", (event) => this.#keydown(event));
    find("[data-filter]").addEventListener("change", ({ target }) => {
      this.#lines.filter(Number(target.value));
      if (target.value > 0) this.#empty.textContent = this.#empty.dataset.nothing;
      this.#showLines();
    });
    copyAll(find("[data-copy-log]"), () => this.#lines.shown, announce);
    copySelected(this.#box, () => this.#view.selectedLines);

    const elements = [...list.children];
    this.#lines.append(elements.map(fromElement));
    this.#view.adopt(this.#lines.shown, elements);
    this.#loadEarlier(find("[data-earlier]"));
  }

  append({ data, at, offset }) {
    const line = fromData({ ...data, at, offset });
    if (this.#batch.push(line) === 1) setTimeout(() => this.#flush(), BATCH_MS);
  }

  // Removes all lines. After a reset, the server sends all of them again.
  clear() {
    this.#loading.abort();
    this.#root.querySelector("[data-earlier]")?.remove();
    this.#batch = [];
    this.#lines.clear();
    this.#showLines();
  }

  #flush() {
    this.#lines.append(this.#batch);
    this.#batch = [];
    this.#view.grow();
    this.#finder.showCount();
  }

  async #loadEarlier(note) {
    if (!note) return;
    const { signal } = this.#loading;
    const [first] = this.#lines.shown;
    try {
      const pages = earlierLines(this.#root.dataset.log, first.offset, pageFetcher(note, signal));
      for await (const lines of pages) {
        if (signal.aborted) return;
        this.#lines.insert(lines.map(fromData));
        this.#showLines();
      }
      note.remove();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #showLines() {
    this.#view.show(this.#lines.shown);
    this.#finder.showCount();
  }

  #keydown(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "/") this.#finder.focus();
    // The browser itself would scroll smoothly, and stop too early if lines turn out to be higher.
    else if (event.key === "End") this.#view.follow((this.#follow.checked = true));
    else if (event.key === "Home") this.#reveal(0);
    else return;
    event.preventDefault();
  }

  // Shows the line at `index`, unless it is undefined, and marks all matches.
  #reveal(index) {
    if (index !== undefined) {
      this.#follow.checked = false;
      this.#view.reveal(index);
    }
    this.#view.repaint((element, line) => this.#mark(element, line));
  }

  #mark(element, line) {
    mark(element, line, this.#lines.pattern, line === this.#finder?.current);
    return element;
  }
}
