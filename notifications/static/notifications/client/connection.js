// Keeps a connection: by which transport, when to try again, and when not to.
//
// Its client, `on`, is what a transport asks and tells (socket.js), with streams() for the
// names of all, renewed() for a transport that follows nothing yet, and changed(status).
// The statuses: "connecting", "open", "lost" (waiting before the next attempt), "busy" (waiting
// for longer, because the server accepts no more connections), "stopped"; "signed-out" and
// "refused" (this client makes mistakes): trying again would not help.

import { fullJitter } from "../lib/backoff.js";
import { Ladder, RUNGS } from "./ladder.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

// A connection that lived this long was a good one: the next back-off starts small.
const PROVEN_MS = 5000;
// When the server has no room, a client waits for this time, which is also the Retry-After of
// notifications/delivery/connections.py, and then for a random time: up to 8 s, the ceiling of this attempt,
// or up to the ceiling of a later one.
const LATER_MS = 10_000;
const LATER_ATTEMPT = 4;
// About as often a WebSocket is tried while another transport does its work.
const UPGRADE_MS = 60_000;

export class Connection {
  #addresses;
  #isSignedIn;
  #env;
  #on;
  #timers; // retry, answer, upgrade
  #ladder;
  #rung = null; // what #transport is one of
  #transport = null;
  #candidate = null; // a better transport that is being tried
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

  // What there is, is gone or not worth keeping. Another attempt, `now` or after a wait.
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
      // The next transport may be better. After the last there is no hurry.
      now: reason === "blocked" && !this.#ladder.isAtTop,
      later: reason === "later" || reason === "full",
      status: reason === "full" ? "busy" : "lost",
      then: () => (reason === "failed" ? this.#connectIfSignedIn() : this.#connect()),
    });
  }

  // A browser does not say why a handshake failed.
  async #connectIfSignedIn() {
    const nobody = new Promise((resolve) => this.#timers.arm("answer", ANSWER_MS, resolve));
    let isSignedIn;
    try {
      isSignedIn = await Promise.race([this.#isSignedIn(), nobody]);
    } catch {
      isSignedIn = undefined; // As when there is no answer.
    }
    if (this.#status !== "lost") return; // Woken or stopped meanwhile.
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

  // -- back to the best transport, while another does its work ---------------------------

  // Go on with what there is, and try for the best in a while.
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
