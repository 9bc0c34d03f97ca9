// The cards of exports on a page. The script writes new numbers into a card. If its texts change,
// it fetches the card from the server, so that each text exists only in a template.

import { bar, fill, values } from "./format.js";
import { isHeld, step } from "./fold.js";

export class Cards {
  // id -> { element, snapshot, version, reportedAt, isFetching, pending }
  #cards = new Map();
  #fetchFragment;
  #place;
  #onChange;
  #now;
  #isConnected = true;

  // `fetchFragment(url)` resolves to an element, or to null if this user may not see the export.
  // `place(element, snapshot, old)` inserts an element, or replaces `old` if there is one.
  // `onChange(before, snapshot)` is called for each change; `before` is null for a new card.
  // `now()` returns milliseconds of a monotonic clock.
  constructor({ elements, fetchFragment, place, onChange, now = () => performance.now() }) {
    this.#now = now;
    this.#fetchFragment = fetchFragment;
    this.#place = place;
    this.#onChange = onChange;
    for (const element of elements) {
      const snapshot = JSON.parse(element.dataset.snapshot);
      const { version } = snapshot;
      const reportedAt = this.#reportedAt(element);
      this.#cards.set(snapshot.id, { element, snapshot, version, reportedAt });
    }
  }

  has(id) {
    return this.#cards.has(id);
  }

  get snapshots() {
    return [...this.#cards.values()].map(({ snapshot }) => snapshot).filter(Boolean);
  }

  // Shows a snapshot, unless it is outdated. Several streams may deliver an export, and one may be
  // behind another.
  update(snapshot) {
    const card = this.#cards.get(snapshot.id);
    if (!card) {
      this.#cards.set(snapshot.id, {});
      this.#fetch(snapshot.id, `${snapshot.links.self}card`);
    } else if (card.isFetching) {
      if (!(card.pending?.version > snapshot.version)) card.pending = snapshot;
    } else if (snapshot.version > card.version) {
      const next = step(card.snapshot, snapshot);
      if (next === "patch") this.#patch(card, snapshot);
      else if (next === "fetch") this.refresh(snapshot.id);
    }
  }

  // Without a connection, a missing report says nothing about the worker. So the time since the
  // last report starts again when the connection is back.
  set isConnected(isConnected) {
    if (isConnected && !this.#isConnected) {
      for (const card of this.#cards.values()) card.reportedAt = this.#now();
    }
    this.#isConnected = isConnected;
    this.tick();
  }

  // Shows the time since the last report of each worker.
  tick() {
    for (const card of this.#cards.values()) {
      if (card.snapshot && isHeld(card.snapshot)) this.#showTexts(card);
    }
  }

  // After the database was restored from a backup, lower versions are new.
  forgetVersions() {
    for (const card of this.#cards.values()) card.version = 0;
  }

  // Fetches the card of an export from the server.
  refresh(id) {
    const card = this.#cards.get(id);
    if (!card.isFetching) this.#fetch(id, card.element.dataset.source);
  }

  async #fetch(id, url) {
    const card = this.#cards.get(id);
    card.isFetching = true;
    const element = await this.#fetchFragment(url);
    card.isFetching = false;
    if (element) this.#replace(card, element);
    else if (!card.element) this.#cards.delete(id);
    const { pending } = card;
    card.pending = null;
    if (element && pending) this.update(pending);
  }

  #replace(card, element) {
    const snapshot = JSON.parse(element.dataset.snapshot);
    if (card.snapshot && step(card.snapshot, snapshot) !== "fetch") {
      this.#patch(card, snapshot);
      return;
    }
    const { element: old, snapshot: before } = card;
    card.element = element;
    card.snapshot = snapshot;
    card.version = snapshot.version; // Older frames may still arrive.
    card.reportedAt = this.#reportedAt(element);
    this.#place(element, snapshot, old);
    this.#onChange(before ?? null, snapshot);
  }

  #patch(card, snapshot) {
    const before = card.snapshot;
    // The page has the label in its reader's language, and frames have it in the owner's.
    card.snapshot = { ...snapshot, label: before.label };
    card.version = snapshot.version;
    card.reportedAt = this.#now();
    this.#showTexts(card);
    const progress = card.element.querySelector("progress");
    if (progress) assign(progress, bar(snapshot));
    this.#onChange(before, card.snapshot);
  }

  #showTexts({ element, snapshot, reportedAt }) {
    const silence = this.#isConnected ? (this.#now() - reportedAt) / 1000 : Infinity;
    const known = values(snapshot, isHeld(snapshot) ? silence : 0);
    for (const each of element.querySelectorAll("[data-text]")) {
      const text = fill(each.dataset.text, known);
      assign(each, { textContent: text, hidden: !text });
    }
  }

  // Returns the time of the worker's last report. The server puts its age into the card.
  #reportedAt(element) {
    return this.#now() - 1000 * Number(element.dataset.silence ?? 0);
  }
}

// Browsers redraw an element at each assignment, so only differences are assigned.
function assign(element, properties) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (element[name] !== value) element[name] = value;
  }
}
