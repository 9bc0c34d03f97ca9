// The worker's side of a tab. It passes calls of handlers on to the tab's followers.
//
// A sleeping tab reads no messages, and a crashed tab does not report its end. Neither may use
// unlimited memory or keep a stream subscribed forever. So a tab confirms messages and sends beats.
// If it stops, the worker leaves its streams. When it sends again, its followers join again from
// their places.

// Unread messages that a tab may have: 16 batches.
export const WINDOW = 1024;
// A tab confirms messages in batches of this size.
export const BATCH = 64;
// A tab sends a beat every half minute. In a hidden tab, browsers slow that down to a minute.
export const BEAT_MS = 30_000;
export const TICK_MS = 60_000;
const SILENT_TICKS = 3;

const HANDLERS = ["onEvent", "onState", "onReset", "onRefused", "onStatus"];

export class Tab {
  #port;
  #router;
  #ended;
  #followers = new Map(); // id -> { streams, page, following }; following is null while away
  #unread = 0;
  #silence = 0; // Ticks since the last message.
  #isAway = false;

  // `ended(tab)` is called when the tab has closed.
  constructor({ port, router, ended }) {
    this.#port = port;
    this.#router = router;
    this.#ended = ended;
    port.onmessage = ({ data }) => this.#receive(data);
    port.onclose = () => this.#end(); // Not in every browser.
  }

  // Called at intervals. It counts ticks and not time: otherwise all tabs would seem silent after
  // the machine has slept.
  tick() {
    this.#silence += 1;
    if (this.#silence >= SILENT_TICKS) this.#leave();
  }

  #receive({ type, read, ...more }) {
    this.#silence = 0;
    this.#unread -= read;
    if (this.#unread < BATCH) this.#isAway = false;
    switch (type) {
      case "join":
        this.#followers.set(more.id, { streams: more.streams, page: more.page, following: null });
        break;
      case "leave":
        this.#followers.get(more.id)?.following?.leave();
        this.#followers.delete(more.id);
        break;
      case "wake":
        this.#router.wake();
        break;
      case "bye":
        return this.#end();
    }
    this.#port.postMessage({ type: "here" });
    this.#join();
  }

  #join() {
    for (const [id, follower] of this.#followers) {
      if (this.#isAway) return;
      if (follower.following) continue;
      const send = (name) => (...values) => this.#send({ id, name, values });
      const handlers = Object.fromEntries(HANDLERS.map((name) => [name, send(name)]));
      follower.following = this.#router.join(follower, handlers);
    }
    if (this.#isAway) this.#leave(); // The window became full while the last follower joined.
  }

  #leave() {
    this.#isAway = true;
    for (const follower of this.#followers.values()) {
      if (!follower.following) continue;
      follower.streams = follower.following.cursors;
      follower.following.leave();
      follower.following = null;
    }
  }

  #end() {
    this.#leave();
    this.#followers.clear();
    this.#ended(this);
  }

  #send(message) {
    this.#port.postMessage(message);
    this.#unread += 1;
    if (this.#unread >= WINDOW) this.#leave();
  }
}
