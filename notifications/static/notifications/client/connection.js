// Keeps a connection open. It chooses the transport, and decides when to try again and when not to.
//
// `on` has the callbacks of a transport (see socket.js) and three more: streams() returns the names
// of all streams, renewed() is called for a new transport that follows no stream yet, and
// changed(status) for a new status. The statuses are "connecting", "open", "lost" (waiting before
// the next attempt), "busy" (waiting for longer, because the server accepts no more connections)
// and "stopped". With "signed-out" and "refused" (this client sends invalid frames) there is no
// further attempt, because it would fail, too.

import { fullJitter } from "../lib/backoff.js";
import { Ladder, RUNGS } from "./ladder.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

// After a connection that lasted this long, the back-off starts small again.
const PROVEN_MS = 5000;
// If the server is full or asks the client to wait, the client waits for this time, which is also
// the Retry-After of notifications/delivery/connections.py, and then for a random time. The ceiling
// of that time is the one of this attempt or a later one: 8 s or more.
const LATER_MS = 10_000;
const LATER_ATTEMPT = 4;
// How often a WebSocket is tried, on average, while another transport is in use.
const UPGRADE_MS = 60_000;

export class Connection {
  #addresses;
  #isSignedIn;
  #env;
  #on;
  #timers; // retry, answer, upgrade
  #ladder;
  #rung = null; // The rung of the ladder to which #transport belongs.
  #transport = null;
  #candidate = null; // A WebSocket that is tried while #transport is in use.
  #openSince = null;
  #status = "stopped";
  #attempt = 0;

  constructor({ url, api, isSignedIn, env, on }) {
    this.#addresses = { url, api };
    this.#isSignedIn = isSignedIn;
    this.#env = env;
    this.#on = on;
    this.#timers = new Timers(env);
    this.#ladder = new Ladder(api === null ? RUNGS.slice(0, 1) : RUNGS);
  }

  get isOpen() {
    return this.#status === "open";
  }

  get transport() {
    return this.isOpen ? this.#rung.name : null;
  }

  start() {
    if (this.#status === "stopped") this.#connect();
  }

  stop() {
    this.#end("stopped");
  }

  wake() {
    if (this.#status === "lost") return this.#connect();
    if (!this.isOpen) return;
    this.#transport.check();
    if (this.#rung !== RUNGS[0]) this.#upgrade();
  }

  subscribe(streams) {
    if (this.#transport === null) return;
    if (this.#on.streams().length > this.#rung.room) this.reconnect({ now: true });
    else this.#transport.subscribe(streams);
  }

  unsubscribe(streams) {
    this.#transport?.unsubscribe(streams);
  }

  received(stream) {
    this.#transport?.received(stream);
  }

  // Drops the connection and tries again, `now` or after a wait.
  reconnect({ now = false, later = false, status = "lost", then = () => this.#connect() }) {
    const lived = this.isOpen ? this.#env.now() - this.#openSince : 0;
    if (lived >= PROVEN_MS) this.#attempt = 0;
    if (later) this.#attempt = Math.max(this.#attempt, LATER_ATTEMPT);
    this.#drop();
    const wait = now ? 0 : fullJitter(this.#attempt, this.#env.random);
    this.#attempt += 1;
    this.#timers.arm("retry", wait + (later ? LATER_MS : 0), then);
    this.#setStatus(status);
  }

  #connect() {
    this.#timers.disarmAll();
    this.#rung = this.#ladder.pick(this.#on.streams().length);
    this.#begin(this.#make(this.#rung));
    this.#setStatus("connecting");
  }

  #make({ Transport }) {
    const isCandidate = () => transport === this.#candidate;
    const transport = new Transport({
      ...this.#addresses,
      env: this.#env,
      on: {
        ...this.#on,
        opened: () => (isCandidate() ? this.#adopt() : this.#opened()),
        ended: (reason) => (isCandidate() ? this.#scheduleUpgrade() : this.#ended(reason)),
      },
    });
    return transport;
  }

  #begin(transport) {
    this.#transport = transport;
    this.#on.renewed();
    transport.subscribe(this.#on.streams());
  }

  #opened() {
    this.#openSince = this.#env.now();
    this.#ladder.worked();
    this.#scheduleUpgrade();
    this.#setStatus("open");
  }

  #ended(reason) {
    if (reason === "signed-out" || reason === "refused") return this.#end(reason);
    if (reason === "blocked") this.#ladder.descend();
    this.reconnect({
      // Try the next transport at once. After the last one, wait before the first is tried again.
      now: reason === "blocked" && !this.#ladder.isAtTop,
      later: reason === "later" || reason === "full",
      status: reason === "full" ? "busy" : "lost",
      then: () => (reason === "failed" ? this.#connectIfSignedIn() : this.#connect()),
    });
  }

  // A browser does not report why a handshake failed, so this checks the session.
  async #connectIfSignedIn() {
    const timeout = new Promise((resolve) => this.#timers.arm("answer", ANSWER_MS, resolve));
    let isSignedIn;
    try {
      isSignedIn = await Promise.race([this.#isSignedIn(), timeout]);
    } catch {
      isSignedIn = undefined; // An error says as little as a timeout.
    }
    if (this.#status !== "lost") return; // The client was meanwhile woken or stopped.
    if (isSignedIn === false) return this.#end("signed-out");
    if (isSignedIn) this.#ladder.failed();
    this.#connect();
  }

  #end(status) {
    this.#drop();
    this.#setStatus(status);
  }

  #drop() {
    this.#timers.disarmAll();
    this.#transport?.close();
    this.#candidate?.close();
    this.#transport = this.#candidate = null;
  }

  #setStatus(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.#on.changed(status);
  }

  // -- back to the WebSocket, while another transport is in use ---------------------------

  // Keeps the current transport, and tries a WebSocket after a while.
  #scheduleUpgrade() {
    this.#candidate = null;
    if (this.#rung === RUNGS[0]) return;
    const wait = UPGRADE_MS * (0.5 + this.#env.random());
    this.#timers.arm("upgrade", wait, () => this.#upgrade());
  }

  #upgrade() {
    this.#timers.disarm("upgrade");
    this.#candidate ??= this.#make(RUNGS[0]);
  }

  #adopt() {
    this.#transport.close();
    this.#rung = RUNGS[0];
    this.#ladder.climb();
    this.#begin(this.#candidate);
    this.#opened();
  }
}
