// The list of columns: tick all or none, and change their order by its buttons or by the mouse.

import { fill } from "./format.js";
import { placeAt } from "./order.js";

export class Columns {
  #list;
  #status;
  #changed;
  #dragged = null;

  // `changed` is called after each change.
  constructor(list, { changed }) {
    this.#list = list;
    this.#status = list.parentElement.querySelector("[data-mover]");
    this.#changed = changed;
    list.addEventListener("click", (event) => this.#press(event));
    for (const item of list.children) item.draggable = true;
    list.addEventListener("dragstart", (event) => this.#take(event));
    list.addEventListener("dragover", (event) => this.#drag(event));
    list.addEventListener("drop", (event) => event.preventDefault());
    list.addEventListener("dragend", () => this.#drop());
    const all = list.parentElement.querySelector("[data-all]");
    all.hidden = false;
    all.addEventListener("click", ({ target }) => this.#tick(target.dataset.tick));
  }

  #press(event) {
    const button = event.target.closest("button[name=move]");
    if (!button) return;
    event.preventDefault(); // It would send the form.
    const item = button.closest("li");
    const isUp = button.value.endsWith(" up");
    const other = isUp ? item.previousElementSibling : item.nextElementSibling;
    if (isUp) other?.before(item);
    else other?.after(item);
    this.#moved(item);
    // At an end its button is disabled, and would lose the focus to nobody.
    if (button.disabled) item.querySelector("button[name=move]:enabled")?.focus();
    else button.focus();
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
    const others = [...this.#list.children].filter((item) => item !== this.#dragged);
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
    const items = [...this.#list.children];
    for (const [index, each] of items.entries()) {
      const [up, down] = each.querySelectorAll("button[name=move]");
      up.disabled = index === 0;
      down.disabled = index === items.length - 1;
    }
    this.#status.textContent = fill(this.#list.dataset.moved, {
      column: item.dataset.column,
      place: items.indexOf(item) + 1,
      count: items.length,
    });
    this.#changed();
  }

  #tick(which) {
    if (!which) return;
    for (const box of this.#list.querySelectorAll("[name=column]")) box.checked = which === "all";
    this.#changed();
  }
}
