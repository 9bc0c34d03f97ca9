// The list of columns: select all or none, search, and reorder with buttons, keys or the mouse.

import { fill } from "../lib/format.js";
import { indexAfterKey, indexAt, matches } from "./order.js";

// Longer lists get a search field.
const SEARCH_FROM = 20;

export class Columns {
  #list;
  #status;
  #chosen;
  #search;
  #onChange;
  #dragged = null;

  // `onChange` is called after a change that no form field reports.
  constructor(list, { onChange }) {
    const section = list.parentElement;
    this.#list = list;
    this.#status = section.querySelector("[data-column-status]");
    this.#chosen = section.querySelector("[data-chosen]");
    this.#search = section.querySelector("[data-find]");
    this.#onChange = onChange;
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("keydown", (event) => this.#keydown(event));
    list.addEventListener("input", () => this.showCount());
    for (const item of list.children) item.draggable = true;
    list.addEventListener("dragstart", (event) => this.#dragStart(event));
    list.addEventListener("dragover", (event) => this.#dragOver(event));
    list.addEventListener("drop", (event) => event.preventDefault());
    list.addEventListener("dragend", () => this.#dragEnd());
    const tools = section.querySelector("[data-column-tools]");
    tools.hidden = false;
    tools.addEventListener("click", ({ target }) => this.#tick(target.dataset.tick));
    this.#search.hidden = list.children.length <= SEARCH_FROM;
    this.#search.addEventListener("input", () => this.#filter());
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault(); // Enter would start the export.
    });
    this.showCount();
  }

  // Puts the columns `names` first, in that order.
  arrange(names) {
    const byName = new Map([...this.#list.children].map((item) => [item.dataset.column, item]));
    const items = names.map((name) => byName.get(name)).filter(Boolean);
    this.#list.prepend(...items);
    this.#updateButtons();
  }

  // Shows how many columns are selected.
  showCount() {
    const boxes = [...this.#list.querySelectorAll("[name=column]")];
    const count = boxes.filter((box) => box.checked).length;
    const text = fill(this.#chosen.dataset.chosen, { count, total: boxes.length });
    this.#chosen.textContent = text;
  }

  get #shown() {
    return [...this.#list.children].filter((item) => !item.hidden);
  }

  #click(event) {
    const button = event.target.closest("button[name=move]");
    if (!button) return;
    event.preventDefault(); // The button would submit the form.
    this.#move(button, button.value.endsWith(" up") ? "ArrowUp" : "ArrowDown");
  }

  #keydown(event) {
    const button = event.target.closest("button[name=move]");
    if (button && this.#move(button, event.key)) event.preventDefault(); // The key would scroll.
  }

  // Moves the button's column among the visible ones. A move past a hidden column would have no
  // visible effect. Returns false if the key does not move it.
  #move(button, key) {
    const item = button.closest("li");
    const items = this.#shown;
    const from = items.indexOf(item);
    const to = indexAfterKey(key, from, items.length);
    if (to === null) return false;
    if (to < from) items[to].before(item);
    else items[to].after(item);
    this.#reportMove(item);
    // At an end of the list the button becomes disabled and would lose the focus.
    if (button.disabled) item.querySelector("button[name=move]:enabled")?.focus();
    else button.focus();
    return true;
  }

  #dragStart(event) {
    const { target } = event;
    // The user may be selecting text in a field, or dragging selected text.
    if (target.parentElement !== this.#list || document.activeElement.matches("[name^=header-]")) {
      event.preventDefault();
      return;
    }
    this.#dragged = target;
    this.#dragged.dataset.dragged = "";
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", this.#dragged.dataset.column);
  }

  #dragOver(event) {
    if (!this.#dragged) return;
    event.preventDefault(); // Otherwise browsers do not allow a drop here.
    const others = this.#shown.filter((item) => item !== this.#dragged);
    const middles = others.map((item) => {
      const { top, height } = item.getBoundingClientRect();
      return top + height / 2;
    });
    const next = others[indexAt(middles, event.clientY)] ?? null;
    if (this.#dragged.nextElementSibling !== next) this.#list.insertBefore(this.#dragged, next);
  }

  #dragEnd() {
    if (!this.#dragged) return;
    delete this.#dragged.dataset.dragged;
    this.#reportMove(this.#dragged);
    this.#dragged = null;
  }

  #reportMove(item) {
    this.#updateButtons();
    const items = [...this.#list.children];
    this.#status.textContent = fill(this.#list.dataset.moved, {
      column: item.dataset.column,
      place: items.indexOf(item) + 1,
      count: items.length,
    });
    this.#onChange();
  }

  #updateButtons() {
    const items = this.#shown;
    for (const [index, each] of items.entries()) {
      const [up, down] = each.querySelectorAll("button[name=move]");
      up.disabled = index === 0;
      down.disabled = index === items.length - 1;
    }
  }

  #filter() {
    for (const item of this.#list.children) {
      const header = item.querySelector("[name^=header-]");
      const texts = [item.dataset.column, header.value, header.placeholder];
      item.hidden = !matches(texts, this.#search.value);
    }
    this.#updateButtons();
    this.#status.textContent = fill(this.#search.dataset.find, {
      count: this.#shown.length,
      total: this.#list.children.length,
    });
  }

  // Selects "all" or "none" of the visible columns: a user who has searched means the results.
  #tick(which) {
    if (!which) return;
    for (const item of this.#shown) {
      item.querySelector("[name=column]").checked = which === "all";
    }
    this.showCount();
    this.#onChange();
  }
}
