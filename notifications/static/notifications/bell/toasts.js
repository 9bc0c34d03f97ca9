// Toasts: new notifications that are shown over the page for some seconds. They are copies of
// entries in the bell's panel, so the server renders all of their text.

import { Stack } from "./stack.js";

const FOCUSABLE = "a[href], button";

export class Toasts {
  #root;
  #list;
  #more;
  #template;
  #after; // The element that gets the focus when the last toast is closed.
  #elements = new Map(); // offset -> element
  #stack;

  constructor(root, after) {
    this.#root = root;
    this.#list = root.querySelector("ol");
    this.#more = root.querySelector("[data-more]");
    this.#template = root.querySelector("template").content.firstElementChild;
    this.#after = after;
    this.#stack = new Stack({
      show: (stack) => this.#show(stack),
      isHeld: () => document.hidden || root.matches(":hover, :focus-within"),
    });
    const renew = () => this.#stack.renew();
    root.addEventListener("pointerleave", renew);
    root.addEventListener("focusout", renew);
    document.addEventListener("visibilitychange", renew);
    root.addEventListener("click", ({ target }) => {
      if (target.closest("[data-close]")) this.#stack.close(offsetOf(target));
    });
    document.addEventListener("keydown", (event) => this.#keydown(event));
  }

  // `entry` is the element of the notification in the panel.
  add(entry) {
    this.#stack.add({ offset: Number(entry.dataset.offset), entry });
  }

  // Counts a new notification that is no longer in the panel.
  miss() {
    this.#stack.miss();
  }

  read(offset) {
    this.#stack.read(offset);
  }

  // Escape closes an open popover or dialog first.
  #keydown(event) {
    const isTaken = event.defaultPrevented || document.querySelector(":popover-open, :modal");
    if (event.key !== "Escape" || isTaken) return;
    const offset = offsetOf(document.activeElement);
    if (offset === null) this.#stack.closeAll();
    else this.#stack.close(offset);
  }

  // Toasts that stay are not rendered again, because the focus may be in one.
  #show({ items, more }) {
    const hadFocus = this.#root.contains(document.activeElement);
    const offsets = new Set(items.map(({ offset }) => offset));
    for (const [offset, element] of this.#elements) {
      if (offsets.has(offset)) continue;
      element.remove();
      this.#elements.delete(offset);
    }
    for (const { offset, entry } of items) {
      if (this.#elements.has(offset)) continue;
      const element = this.#render(offset, entry);
      this.#elements.set(offset, element);
      this.#list.append(element);
    }
    this.#more.textContent = this.#more.dataset.text.replace("{count}", more);
    this.#more.hidden = more === 0;
    this.#root.hidden = items.length === 0;
    if (hadFocus && !this.#root.contains(document.activeElement)) {
      (this.#list.querySelector(FOCUSABLE) ?? this.#after).focus();
    }
  }

  #render(offset, entry) {
    const element = this.#template.cloneNode(true);
    element.dataset.offset = offset;
    const [level, title] = ["[data-level]", "[data-title]"].map((each) =>
      entry.querySelector(each).cloneNode(true),
    );
    element.classList.add(level.dataset.level);
    level.querySelector(".visually-hidden").classList.remove("visually-hidden");
    element.querySelector("p").append(level, " ", title);
    return element;
  }
}

function offsetOf(element) {
  const toast = element?.closest("[data-toasts] li");
  return toast ? Number(toast.dataset.offset) : null;
}
