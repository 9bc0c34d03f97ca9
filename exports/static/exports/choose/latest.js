// Asks for what somebody wants to see, a while after they wanted it last. What has become old
// is neither waited for nor shown.

export class Latest {
  #ask;
  #show;
  #pauseMs;
  #timer = null;
  #asking = null;

  // `ask(signal)` gives what `show` is given.
  constructor({ ask, show, pauseMs }) {
    this.#ask = ask;
    this.#show = show;
    this.#pauseMs = pauseMs;
  }

  want(pauseMs = this.#pauseMs) {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#timer = setTimeout(() => this.#now(), pauseMs);
  }

  async #now() {
    const { signal } = (this.#asking = new AbortController());
    const answer = await this.#ask(signal);
    if (!signal.aborted) this.#show(answer);
  }
}
