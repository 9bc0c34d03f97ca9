// The worker's end of a tab: passes on what the tab's followers are told.
//
// A tab that sleeps reads nothing, and one that has crashed does not say so. Neither may
// cost more than a bounded number of messages, or keep a stream subscribed for ever. So a
// tab says what it has read, and that it is there. One that stops is left; when it is heard
// of again, its followers join again, each where it stood.

// Messages that a tab may have unread. 16 batches: the last is confirmed, too.
export const WINDOW = 1024;
// After as many a tab confirms.
export const BATCH = 64;
// A tab beats every half minute; while it is hidden, browsers make that a minute.
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
  #silence = 0; // ticks
  #isAway = false;

  // `ended` is called when the tab is done.
  constructor({ port, router, ended }) {
    this.#port = port;
    this.#router = router;
    this.#ended = ended;
    port.onmessage = ({ data }) => this.#receive(data);
    port.onclose = () => this.#end(); // Not in every browser.
  }

  // A while has passed. Not by the clock, or a machine that wakes would find all silent.
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
      const handlers = HANDLERS.map((name) => [name, (...values) => this.#send({ id, name, values })]);
      follower.following = this.#router.join(follower, Object.fromEntries(handlers));
    }
    if (this.#isAway) this.#leave(); // Full while the last of them joined.
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
