// The list of columns: tick all or none, find some of many, and change their order by their
// buttons, by keys or by the mouse.

import { fill } from "../lib/format.js";
import { isLike, placeAt, placeBy } from "./order.js";

// With more than this, one looks for a name rather than at all of them.
const MANY = 20;

export class Columns {
  #list;
  #status;
  #chosen;
  #find;
  #changed;
  #dragged = null;

  // `changed` is called after each change that is none of a field.
  constructor(list, { changed }) {
    const part = list.parentElement;
    this.#list = list;
    this.#status = part.querySelector("[data-mover]");
    this.#chosen = part.querySelector("[data-chosen]");
    this.#find = part.querySelector("[data-find]");
    this.#changed = changed;
    list.addEventListener("click", (event) => this.#press(event));
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("input", () => this.count());
    for (const item of list.children) item.draggable = true;
    list.addEventListener("dragstart", (event) => this.#take(event));
    list.addEventListener("dragover", (event) => this.#drag(event));
    list.addEventListener("drop", (event) => event.preventDefault());
    list.addEventListener("dragend", () => this.#drop());
    const all = part.querySelector("[data-all]");
    all.hidden = false;
    all.addEventListener("click", ({ target }) => this.#tick(target.dataset.tick));
    this.#find.hidden = list.children.length <= MANY;
    this.#find.addEventListener("input", () => this.#look());
    this.#find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // It would start the export.
    });
    this.count();
  }

  // Put those that are named before the others, in that order.
  arrange(names) {
    const byName = new Map([...this.#list.children].map((item) => [item.dataset.column, item]));
    const items = names.map((name) => byName.get(name)).filter(Boolean);
    this.#list.prepend(...items);
    this.#fitButtons();
  }

  // Say how many are ticked.
  count() {
    const boxes = [...this.#list.querySelectorAll("[name=column]")];
    const count = boxes.filter((box) => box.checked).length;
    const text = fill(this.#chosen.dataset.chosen, { count, total: boxes.length });
    this.#chosen.textContent = text;
  }

  get #shown() {
    return [...this.#list.children].filter((item) => !item.hidden);
  }

  #press(event) {
    const button = event.target.closest("button[name=move]");
    if (!button) return;
    event.preventDefault(); // It would send the form.
    this.#step(button, button.value.endsWith(" up") ? "ArrowUp" : "ArrowDown");
  }

  #key(event) {
    const button = event.target.closest("button[name=move]");
    if (button && this.#step(button, event.key)) event.preventDefault(); // It would scroll.
  }

  // Among those that are shown: past one that is not, nothing would be seen to move.
  #step(button, key) {
    const item = button.closest("li");
    const items = this.#shown;
    const here = items.indexOf(item);
    const there = placeBy(key, here, items.length);
    if (there === null) return false;
    if (there < here) items[there].before(item);
    else items[there].after(item);
    this.#moved(item);
    // At an end its button is disabled, and would lose the focus to nobody.
    if (button.disabled) item.querySelector("button[name=move]:enabled")?.focus();
    else button.focus();
    return true;
  }

  #take(event) {
    const { target } = event;
    // In a field the mouse marks text, and what is marked could be dragged, too.
    if (target.parentElement !== this.#list || document.activeElement.matches("[name^=header-]")) {
      event.preventDefault();
      return;
    }
    this.#dragged = target;
    this.#dragged.dataset.dragged = "";
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", this.#dragged.dataset.column);
  }

  #drag(event) {
    if (!this.#dragged) return;
    event.preventDefault(); // Here it may be dropped.
    const others = this.#shown.filter((item) => item !== this.#dragged);
    const middles = others.map((item) => {
      const { top, height } = item.getBoundingClientRect();
      return top + height / 2;
    });
    const next = others[placeAt(middles, event.clientY)] ?? null;
    if (this.#dragged.nextElementSibling !== next) this.#list.insertBefore(this.#dragged, next);
  }

  #drop() {
    if (!this.#dragged) return;
    delete this.#dragged.dataset.dragged;
    this.#moved(this.#dragged);
    this.#dragged = null;
  }

  #moved(item) {
    this.#fitButtons();
    const items = [...this.#list.children];
    this.#status.textContent = fill(this.#list.dataset.moved, {
      column: item.dataset.column,
      place: items.indexOf(item) + 1,
      count: items.length,
    });
    this.#changed();
  }

  // Who is at an end goes no further.
  #fitButtons() {
    const items = this.#shown;
    for (const [index, each] of items.entries()) {
      const [up, down] = each.querySelectorAll("button[name=move]");
      up.disabled = index === 0;
      down.disabled = index === items.length - 1;
    }
  }

  #look() {
    for (const item of this.#list.children) {
      const header = item.querySelector("[name^=header-]");
      const texts = [item.dataset.column, header.value, header.placeholder];
      item.hidden = !isLike(texts, this.#find.value);
    }
    this.#fitButtons();
    this.#status.textContent = fill(this.#find.dataset.find, {
      count: this.#shown.length,
      total: this.#list.children.length,
    });
  }

  // Those that are shown: who has looked for some means these.
  #tick(which) {
    if (!which) return;
    for (const item of this.#shown) {
      item.querySelector("[name=column]").checked = which === "all";
    }
    this.count();
    this.#changed();
  }
}
