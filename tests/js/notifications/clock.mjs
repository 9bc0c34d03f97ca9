// A clock with timers that a test moves.

export class Clock {
  #now = 0;
  #timers = new Map();
  #ids = 0;

  now = () => this.#now;

  setTimeout = (callback, ms) => {
    this.#ids += 1;
    this.#timers.set(this.#ids, { at: this.#now + ms, callback });
    return this.#ids;
  };

  clearTimeout = (id) => this.#timers.delete(id);

  get pending() {
    return this.#timers.size;
  }

  // Moves the clock by `ms`. Timers fire in order, also those that are set meanwhile.
  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      if (due.length === 0) break;
      due.sort(([, a], [, b]) => a.at - b.at);
      const [id, { at, callback }] = due[0];
      this.#timers.delete(id);
      this.#now = at;
      callback();
    }
    this.#now = end;
  }
}
