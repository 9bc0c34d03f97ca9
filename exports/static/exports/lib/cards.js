// The exports on a page. New numbers are put in place; new words are fetched from the
// server as a fragment, so that each sentence exists once, in a template.

import { bar, fill, values } from "./format.js";
import { isHeld, step } from "./fold.js";

export class Cards {
  #cards = new Map(); // id -> { element, snapshot, version, heard, isFetching, later }
  #fetchFragment;
  #place;
  #changed;
  #now; // milliseconds by a clock that nobody sets
  #hears = true;

  // `fetchFragment(url)` gives an element, or null if there is none for this user.
  // `place(element, snapshot, old)` puts it on the page, instead of `old` if there is one.
  // `changed(before, snapshot)` is told of each change; `before` is null for a new card.
  constructor({ elements, fetchFragment, place, changed, now = () => performance.now() }) {
    this.#now = now;
    this.#fetchFragment = fetchFragment;
    this.#place = place;
    this.#changed = changed;
    for (const element of elements) {
      const snapshot = JSON.parse(element.dataset.snapshot);
      const { version } = snapshot;
      this.#cards.set(snapshot.id, { element, snapshot, version, heard: this.#heard(element) });
    }
  }

  has(id) {
    return this.#cards.has(id);
  }

  get snapshots() {
    return [...this.#cards.values()].map(({ snapshot }) => snapshot).filter(Boolean);
  }

  // Show the value of a state frame, if it is news: an export may be told of on several
  // streams, and one of them may lag behind the other.
  update(snapshot) {
    const card = this.#cards.get(snapshot.id);
    if (!card) {
      this.#cards.set(snapshot.id, {});
      this.#fetch(snapshot.id, `${snapshot.links.self}card`);
    } else if (card.isFetching) {
      if (!(card.later?.version > snapshot.version)) card.later = snapshot;
    } else if (snapshot.version > card.version) {
      const next = step(card.snapshot, snapshot);
      if (next === "patch") this.#patch(card, snapshot);
      else if (next === "fetch") this.refresh(snapshot.id);
    }
  }

  // Whether anything can be heard. When that begins, nobody has been silent yet.
  set hears(hears) {
    if (hears && !this.#hears) for (const card of this.#cards.values()) card.heard = this.#now();
    this.#hears = hears;
    this.tick();
  }

  // Time has passed: say of those that ought to report how long they have not.
  tick() {
    for (const card of this.#cards.values()) {
      if (card.snapshot && isHeld(card.snapshot)) this.#write(card);
    }
  }

  // The database was restored, and its versions with it. What comes now is news.
  forget() {
    for (const card of this.#cards.values()) card.version = 0;
  }

  // Ask the server what this export is like now.
  refresh(id) {
    const card = this.#cards.get(id);
    if (!card.isFetching) this.#fetch(id, card.element.dataset.source);
  }

  async #fetch(id, url) {
    const card = this.#cards.get(id);
    card.isFetching = true;
    const element = await this.#fetchFragment(url);
    card.isFetching = false;
    if (element) this.#swap(card, element);
    else if (!card.element) this.#cards.delete(id);
    const { later } = card;
    card.later = null;
    if (element && later) this.update(later);
  }

  #swap(card, element) {
    const snapshot = JSON.parse(element.dataset.snapshot);
    if (card.snapshot && step(card.snapshot, snapshot) !== "fetch") {
      this.#patch(card, snapshot);
      return;
    }
    const { element: old, snapshot: before } = card;
    card.element = element;
    card.snapshot = snapshot;
    card.version = snapshot.version; // Frames that are older may still be on the way.
    card.heard = this.#heard(element);
    this.#place(element, snapshot, old);
    this.#changed(before ?? null, snapshot);
  }

  #patch(card, snapshot) {
    const before = card.snapshot;
    // The page calls it as its reader does; the wire, as who asked for it did.
    card.snapshot = { ...snapshot, label: before.label };
    card.version = snapshot.version;
    card.heard = this.#now();
    this.#write(card);
    const progress = card.element.querySelector("progress");
    if (progress) put(progress, bar(snapshot));
    this.#changed(before, card.snapshot);
  }

  #write({ element, snapshot, heard }) {
    const silence = this.#hears ? (this.#now() - heard) / 1000 : Infinity;
    const known = values(snapshot, isHeld(snapshot) ? silence : 0);
    for (const text of element.querySelectorAll("[data-text]")) {
      const said = fill(text.dataset.text, known);
      put(text, { textContent: said, hidden: !said });
    }
  }

  // When the worker of a card that the server has just made was heard of.
  #heard(element) {
    return this.#now() - 1000 * Number(element.dataset.silence ?? 0);
  }
}

// What is the same already is not touched: a browser would draw it anew.
function put(element, properties) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (element[name] !== value) element[name] = value;
  }
}
