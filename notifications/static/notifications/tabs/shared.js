// A tab's end of the worker that all tabs of a user share: a Router, somewhere else.
//
// Where there is no SharedWorker (Chrome on Android), or it may not start, the tab has a
// Router of its own. A worker that stops answering is replaced; the tab's followers go on
// from where they stood.

import { BATCH, BEAT_MS } from "./tab.js";
import { Timers } from "../lib/timers.js";

// Of what tabs and worker say to each other. Raise it with each change of that: tabs that
// were opened before an update keep the worker of before.
const VERSION = 1;

// A worker that takes longer to answer is not there.
const ANSWER_MS = 15_000;
// A tab that wakes finds its timers due before the answers that came while it slept.
const WAKING_MS = 1000;

const browser = {
  start: (name) =>
    new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name }),
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (id) => clearTimeout(id),
  report: (error) => (globalThis.reportError ?? console.error)(error),
};

export class SharedRouter {
  #name;
  #fallBack;
  #env;
  #timers; // beat, answer
  #port = null; // While somebody follows.
  #isProven = false; // The worker behind this port has answered.
  #router = null; // Instead of a worker.
  #followers = new Map(); // id -> { streams, page, handlers, following }
  #ids = 0;
  #read = 0; // Messages that have not been confirmed.

  // Others than `user` get a worker of their own: nobody sees what is for somebody else.
  // `fallBack()` makes the Router that is used if there is no worker.
  constructor({ url, api, user, fallBack, env = {} }) {
    this.#name = JSON.stringify({ version: VERSION, user, url, api });
    this.#fallBack = fallBack;
    this.#env = { ...browser, ...env };
    this.#timers = new Timers(this.#env);
  }

  // As Router's.
  join({ streams, page }, handlers) {
    if (this.#router) return this.#router.join({ streams, page }, handlers);
    const id = (this.#ids += 1);
    const follower = { streams: { ...streams }, page, handlers, following: null };
    this.#followers.set(id, follower);
    if (this.#port) this.#request({ type: "join", id, streams, page });
    else this.#open();
    return {
      leave: () => this.#leave(id),
      get cursors() {
        return follower.following?.cursors ?? { ...follower.streams };
      },
    };
  }

  wake() {
    if (this.#router) this.#router.wake();
    else if (this.#port) this.#request({ type: "wake" });
  }

  #leave(id) {
    const follower = this.#followers.get(id);
    if (!this.#followers.delete(id)) return;
    if (follower.following) follower.following.leave();
    else if (this.#followers.size > 0) this.#request({ type: "leave", id });
    else this.#close();
  }

  // -- the worker ------------------------------------------------------------------------

  #open() {
    let worker;
    try {
      worker = this.#env.start(this.#name);
    } catch {
      return this.#useOwnRouter(); // There is no such thing, or it may not come from there.
    }
    const port = (this.#port = worker.port);
    this.#isProven = false;
    worker.onerror = () => port === this.#port && this.#useOwnRouter();
    port.onmessage = ({ data }) => port === this.#port && this.#receive(data);
    port.onclose = () => port === this.#port && this.#workerLost(); // Not in every browser.
    for (const [id, { streams, page }] of this.#followers) {
      this.#request({ type: "join", id, streams, page });
    }
  }

  #close() {
    this.#timers.disarmAll();
    this.#post({ type: "bye" });
    this.#port.close();
    this.#port = null;
  }

  #useOwnRouter() {
    if (this.#port) this.#close();
    this.#router = this.#fallBack();
    for (const follower of this.#followers.values()) {
      follower.following = this.#router.join(follower, follower.handlers);
    }
  }

  // What the worker answers to. Now and then it is asked, so that both hear of each other.
  #request(message) {
    this.#post(message);
    if (!this.#timers.has("answer")) this.#timers.arm("answer", ANSWER_MS, () => this.#allowOneMoreSecond());
    this.#timers.arm("beat", BEAT_MS, () => this.#request({ type: "beat" }));
  }

  #allowOneMoreSecond() {
    this.#timers.arm("answer", WAKING_MS, () => this.#workerLost());
  }

  #workerLost() {
    const wasProven = this.#isProven;
    this.#close();
    if (wasProven) this.#open();
    else this.#useOwnRouter();
  }

  #post(message) {
    this.#port.postMessage({ ...message, read: this.#read });
    this.#read = 0;
  }

  // -- what it says ------------------------------------------------------------------------

  #receive({ id, name, values }) {
    this.#isProven = true;
    this.#timers.disarm("answer");
    if (id === undefined) return; // Only that it is there.
    this.#read += 1;
    const follower = this.#followers.get(id);
    if (follower) this.#deliver(follower, name, values);
    // A handler may have left.
    if (this.#port && this.#read >= BATCH) this.#post({ type: "read" });
  }

  #deliver({ streams, handlers }, name, values) {
    const [frame] = values;
    if (name === "onEvent" || name === "onState") streams[frame.stream] = frame.cursor;
    if (name === "onReset") streams[frame.stream] = null;
    if (name === "onRefused") delete streams[frame];
    try {
      handlers[name]?.(...values);
    } catch (error) {
      this.#env.report(error); // The page's mistake. The others go on.
    }
  }
}
