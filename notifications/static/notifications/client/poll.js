// Polling: requests new items every few seconds. It is the last transport, which no proxy blocks.
// socket.js has the interface of a transport.

import { endReason, readPage } from "./http.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

const ROUND_MS = 3000;

export class Polling {
  #api;
  #env;
  #on;
  #timers; // "round" and "answer"
  #streams = new Set();
  #due = new Set(); // The streams that are still to be read in this round.
  #round = null; // The AbortController of the current round.
  #isOpen = false;

  constructor({ api, env, on }) {
    this.#api = api;
    this.#env = env;
    this.#on = on;
    this.#timers = new Timers(env);
  }

  // Reads each stream from the client's cursor. The response to an earlier request is ignored.
  subscribe(streams) {
    for (const stream of streams) {
      this.#streams.add(stream);
      this.#due.add(stream);
    }
    this.check();
  }

  unsubscribe(streams) {
    for (const stream of streams) this.#streams.delete(stream);
  }

  received() {} // Over HTTP nothing is acknowledged.

  check() {
    if (!this.#round) this.#timers.arm("round", 0, () => this.#pollAll());
  }

  close() {
    this.#streams.clear();
    this.#timers.disarmAll();
    this.#round?.abort();
  }

  // One request at a time, so that the page keeps its few connections for itself.
  async #pollAll() {
    this.#round = new AbortController();
    const { signal } = this.#round;
    this.#due = new Set(this.#streams);
    if (this.#due.size === 0) this.#open();
    try {
      // The loop also reaches streams that are added meanwhile.
      for (const stream of this.#due) {
        this.#due.delete(stream);
        if (this.#streams.has(stream)) await this.#poll(stream, signal);
      }
    } catch (error) {
      if (!signal.aborted) this.#end(error);
    }
    if (signal.aborted) return;
    this.#round = null;
    this.#timers.arm("round", ROUND_MS, () => this.#pollAll());
  }

  async #poll(stream, signal) {
    this.#timers.arm("answer", ANSWER_MS, () => this.#end());
    let take;
    try {
      const after = this.#on.cursor(stream);
      const page = await readPage(this.#env, this.#api, { stream, after, signal });
      take = () => this.#take(stream, page);
    } catch (error) {
      if (error.reason !== "no-stream") throw error;
      take = () => this.#refuse(stream, error.detail);
    }
    if (signal.aborted) return;
    this.#timers.disarm("answer");
    this.#open();
    if (this.#isWanted(stream)) take();
  }

  #take(stream, { frames, cursor, more }) {
    for (const frame of frames) {
      if (this.#isWanted(stream)) this.#on.frame(frame);
    }
    if (!this.#isWanted(stream)) return;
    if (more) this.#due.add(stream);
    else this.#on.followed(stream, cursor);
  }

  #refuse(stream, detail) {
    this.#streams.delete(stream);
    this.#on.refused(stream, detail);
  }

  // Returns whether a response is still wanted. A handler may meanwhile have left the stream, or
  // subscribed to it from another cursor.
  #isWanted(stream) {
    return this.#streams.has(stream) && !this.#due.has(stream);
  }

  #open() {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#on.opened();
  }

  #end(error) {
    this.close();
    this.#on.ended(endReason(error, this.#isOpen));
  }
}
