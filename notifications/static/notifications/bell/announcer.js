// Announces new notifications: with a toast in a visible page, or with a browser notification. Only
// one of the user's tabs announces each, and only a recent one.

import { parse } from "../client/cursor.js";
import { claim, claimDelay } from "./claim.js";
import { Desktop } from "./desktop.js";
import { isRecent } from "./stack.js";

export class Announcer {
  #element; // Screen readers announce its text.
  #panel;
  #toasts;
  #desktop;
  #refresh;
  #markRead;

  // `refresh()` loads the panel, and resolves to the offset of the newest event that it includes.
  // `markRead(entry)` marks an entry of the panel as read.
  constructor({ bell, panel, toasts, refresh, markRead }) {
    this.#element = bell.querySelector("[data-announcer]");
    this.#panel = panel;
    this.#toasts = toasts;
    this.#desktop = new Desktop({ user: bell.dataset.user });
    this.#refresh = refresh;
    this.#markRead = markRead;
  }

  async announce({ stream, offset, at, cursor }) {
    if (!this.#canShow || !this.#isRecent(at)) return;
    const visibility = { isHidden: document.hidden, hasFocus: document.hasFocus() };
    await new Promise((resolve) => setTimeout(resolve, claimDelay(visibility)));
    const name = `${stream} ${parse(cursor).epoch} ${offset}`;
    if (!this.#canShow || !(await claim(name, { locks: navigator.locks, setTimeout }))) return;
    const head = await this.#refresh();
    if (head < offset) return; // The panel could not be loaded.
    if (!this.#isRecent(at)) return;
    const entry = this.#panel.querySelector(`li[data-offset="${offset}"]`);
    if (!entry) this.#toasts.miss();
    else if (entry.matches(".unread")) {
      if (document.hidden) this.#showOnDesktop(entry, name);
      else this.#showInPage(entry);
    }
  }

  // By the server's time of the last load of the panel.
  #isRecent(at) {
    return isRecent(at, this.#panel.querySelector("[data-now]").dataset.now);
  }

  get #canShow() {
    return !document.hidden || this.#desktop.state === "on";
  }

  #showInPage(entry) {
    const title = entry.querySelector("[data-title]");
    // A part of the page may show the same object. It then tells screen readers about the change by
    // itself. A toast with the link is still useful if that part is not in view.
    const shown = document.querySelector(`[data-announces="${CSS.escape(pathOf(title))}"]`);
    if (!shown) {
      const { dataset } = this.#element;
      this.#element.textContent = dataset.new.replace("{title}", () => title.textContent);
    }
    const isSeen = shown && (pathOf(title) === location.pathname || isInView(shown));
    if (!isSeen && !this.#panel.matches(":popover-open")) this.#toasts.add(entry);
  }

  #showOnDesktop(entry, name) {
    if (this.#desktop.state !== "on") return;
    const title = entry.querySelector("[data-title]");
    const body = entry.querySelector("[data-body]")?.innerText ?? "";
    const { lang } = document.documentElement;
    this.#desktop.show({ name, title: title.textContent, body, lang }, () => {
      focus();
      this.#markRead(entry);
      if (title.href) location.assign(title.href);
    });
  }
}

// "" for a notification without a link. No part of a page shows its object.
function pathOf(title) {
  return title.getAttribute("href") ?? "";
}

function isInView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
