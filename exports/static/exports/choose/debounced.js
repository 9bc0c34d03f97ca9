// A request that waits until the user pauses. A newer request aborts an older one, so that an
// outdated response is never shown.

export class Debounced {
  #load;
  #show;
  #pauseMs;
  #timer = null;
  #controller = null;

  // `load(signal)` returns a promise, and `show` is called with its result.
  constructor({ load, show, pauseMs }) {
    this.#load = load;
    this.#show = show;
    this.#pauseMs = pauseMs;
  }

  request(pauseMs = this.#pauseMs) {
    clearTimeout(this.#timer);
    this.#controller?.abort();
    this.#timer = setTimeout(() => this.#run(), pauseMs);
  }

  async #run() {
    const { signal } = (this.#controller = new AbortController());
    const result = await this.#load(signal);
    if (!signal.aborted) this.#show(result);
  }
}
