// The log of an export: all of its lines, as many of them as elements as a browser can bear.
// Without this the page has the last lines, and a link to the text of all.

import { asking } from "./asking.js";
import { copyAll, copySelected } from "./copying.js";
import { earlier } from "./earlier.js";
import { Finder } from "./finder.js";
import { fromData, fromElement, mark, toElement } from "./line.js";
import { Lines } from "./lines.js";
import { View } from "./view.js";

// A flood of lines is laid out in one go.
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
    const say = (text) => (find("[data-says]").textContent = text);
    this.#root = root;
    this.#box = find("[role=log]");
    this.#follow = find("[data-follow]");
    this.#empty = find(".empty");
    this.#view = new View({
      box: this.#box,
      list,
      render: (line) => this.#mark(toElement(template, line), line),
      told: (isFollowing) => (this.#follow.checked = isFollowing),
    });
    this.#finder = new Finder({
      root: find("[role=search]"),
      lines: this.#lines,
      from: () => this.#view.firstVisible,
      go: (index) => this.#go(index),
      say,
      leave: () => this.#box.focus({ preventScroll: true }),
    });
    this.#follow.addEventListener("change", () => this.#view.follow(this.#follow.checked));
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    find("[data-filter]").addEventListener("change", ({ target }) => {
      this.#lines.filter(Number(target.value));
      if (target.value > 0) this.#empty.textContent = this.#empty.dataset.nothing;
      this.#changed();
    });
    copyAll(find("[data-copy-log]"), () => this.#lines.shown, say);
    copySelected(this.#box, () => this.#view.touched);

    const elements = [...list.children];
    this.#lines.append(elements.map(fromElement));
    this.#view.adopt(this.#lines.shown, elements);
    this.#loadEarlier(find("[data-earlier]"));
  }

  append({ data, at, offset }) {
    const line = fromData({ ...data, at, offset });
    if (this.#batch.push(line) === 1) setTimeout(() => this.#flush(), BATCH_MS);
  }

  // All of it comes anew.
  clear() {
    this.#loading.abort();
    this.#root.querySelector("[data-earlier]")?.remove();
    this.#batch = [];
    this.#lines.clear();
    this.#changed();
  }

  #flush() {
    this.#lines.append(this.#batch);
    this.#batch = [];
    this.#view.grow();
    this.#finder.count();
  }

  async #loadEarlier(note) {
    if (!note) return;
    const { signal } = this.#loading;
    const [first] = this.#lines.shown;
    try {
      const answers = earlier(this.#root.dataset.log, first.offset, asking(note, signal));
      for await (const lines of answers) {
        if (signal.aborted) return;
        this.#lines.insert(lines.map(fromData));
        this.#changed();
      }
      note.remove();
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  // Other lines than before are shown.
  #changed() {
    this.#view.show(this.#lines.shown);
    this.#finder.count();
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "/") this.#finder.focus();
    // At once: a browser would glide there, and stop where lines turn out to be higher.
    else if (event.key === "End") this.#view.follow((this.#follow.checked = true));
    else if (event.key === "Home") this.#go(0);
    else return;
    event.preventDefault();
  }

  // Show the line at `index`, if there is one, and what the search has found.
  #go(index) {
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
