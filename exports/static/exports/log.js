// The log of an export: lines are added at its end, which is kept in view if wanted.

import { show } from "./times.js";

// A flood of lines is laid out in one go.
const BATCH_MS = 50;
// Within this of its end a log counts as read to the end.
const SLACK_PX = 8;

export class Log {
  #box;
  #list;
  #line;
  #follow;
  #batch = [];

  constructor(root) {
    this.#box = root.querySelector("[role=log]");
    this.#list = root.querySelector("ol");
    this.#line = root.querySelector("template").content.firstElementChild;
    this.#follow = root.querySelector("input");
    this.#follow.addEventListener("change", () => this.#keepEnd());
    // Who scrolls up wants to read; who returns to the end wants to follow.
    this.#box.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.#box;
      this.#follow.checked = scrollTop + clientHeight >= scrollHeight - SLACK_PX;
    });
    this.#keepEnd();
  }

  append({ data, at }) {
    if (this.#batch.push({ ...data, at }) === 1) setTimeout(() => this.#flush(), BATCH_MS);
  }

  clear() {
    this.#batch = [];
    this.#list.replaceChildren();
  }

  #flush() {
    const lines = this.#batch.map((entry) => this.#render(entry));
    this.#batch = [];
    this.#list.append(...lines);
    this.#keepEnd();
  }

  #render({ at, level, message, logger, worker, attempt }) {
    const line = this.#line.cloneNode(true);
    const [time, levelText, messageText] = line.children;
    show(time, new Date(at));
    line.dataset.level = levelText.textContent = level;
    messageText.textContent = message;
    // Named where a reader could take the line for another worker's.
    messageText.title = worker ? `${logger} · ${worker} #${attempt}` : logger;
    return line;
  }

  #keepEnd() {
    if (this.#follow.checked) this.#box.scrollTop = this.#box.scrollHeight;
  }
}
