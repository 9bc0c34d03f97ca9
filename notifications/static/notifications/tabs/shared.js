// The tab's side of the shared worker. It has the interface of a Router, but the router runs in a
// worker that all tabs of a user share.
//
// If there is no SharedWorker (Chrome on Android), or it cannot start, the tab uses its own Router.
// A worker that stops responding is replaced, and the tab's followers continue from their places.

import { BATCH, BEAT_MS } from "./tab.js";
import { Timers } from "../lib/timers.js";

// The version of the messages between tabs and worker. Raise it with each change of them, because
// tabs from before an update still use the old worker.
const VERSION = 1;

// A worker that does not respond within this time counts as lost.
const ANSWER_MS = 15_000;
// When a tab wakes, its timers may fire before it has handled the messages that arrived meanwhile.
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
  #timers; // "beat" and "answer"
  #port = null; // The port to the worker, while there are followers.
  #isProven = false; // Whether the worker behind this port has responded.
  #router = null; // The tab's own router, if there is no worker.
  #followers = new Map(); // id -> { streams, page, handlers, following }
  #ids = 0;
  #read = 0; // The number of handled messages that the worker does not know of yet.

  // Each `user` has a separate worker, so that nobody gets the frames of another user. `fallBack()`
  // creates the Router that is used if there is no worker.
  constructor({ url, api, user, fallBack, env = {} }) {
    this.#name = JSON.stringify({ version: VERSION, user, url, api });
    this.#fallBack = fallBack;
    this.#env = { ...browser, ...env };
    this.#timers = new Timers(this.#env);
  }

  // The same as Router.join.
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
      return this.#useOwnRouter(); // Workers are missing, or this script's origin is not allowed.
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

  // Sends a message to which the worker responds. Without other messages it sends a regular beat,
  // so that each side notices when the other is gone.
  #request(message) {
    this.#post(message);
    if (!this.#timers.has("answer")) {
      this.#timers.arm("answer", ANSWER_MS, () => this.#allowOneMoreSecond());
    }
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

  // -- messages of the worker --------------------------------------------------------------

  #receive({ id, name, values }) {
    this.#isProven = true;
    this.#timers.disarm("answer");
    if (id === undefined) return; // The message is only a sign of life.
    this.#read += 1;
    const follower = this.#followers.get(id);
    if (follower) this.#deliver(follower, name, values);
    // A handler may have closed the port.
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
      this.#env.report(error); // An error in a page's handler must not affect others.
    }
  }
}
