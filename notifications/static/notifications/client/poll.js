// Asking every few seconds what is new: the last transport, which everything lets through.
// What a transport is, says socket.js.

import { endReason, readPage } from "./http.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

const ROUND_MS = 3000;

export class Polling {
  #api;
  #env;
  #on;
  #timers; // round, answer
  #streams = new Set();
  #due = new Set(); // those to ask for in this round
  #round = null; // aborts the round that is under way
  #isOpen = false;

  constructor({ api, env, on }) {
    this.#api = api;
    this.#env = env;
    this.#on = on;
    this.#timers = new Timers(env);
  }

  // Each from where the client stands. What has been asked before does not count.
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

  received() {} // The answers are read from the table. Nobody waits to hear of them.

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
      // It comes to what is added meanwhile, too.
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

  // Whether the answer is to what is wanted by now: a handler may have left the stream, or
  // asked for it from elsewhere.
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
