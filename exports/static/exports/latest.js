// Asks for what somebody wants to see, a while after they wanted it last. An answer that has
// become old is not shown.

export class Latest {
  #ask;
  #show;
  #pauseMs;
  #timer = null;
  #asking = null;

  // `ask(signal)` gives what `show` is given, or null for nothing new.
  constructor({ ask, show, pauseMs }) {
    this.#ask = ask;
    this.#show = show;
    this.#pauseMs = pauseMs;
  }

  want() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#timer = setTimeout(() => this.#now(), this.#pauseMs);
  }

  async #now() {
    const asking = (this.#asking = new AbortController());
    try {
      const answer = await this.#ask(asking.signal);
      if (answer !== null && !asking.signal.aborted) this.#show(answer);
    } catch (error) {
      // Something else is wanted by now, or nobody was reached: the next change asks again.
      if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
    }
  }
}
