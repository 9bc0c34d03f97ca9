// A server of streams as in docs/protocol.md. It has no network: frames in transit stay there until a
// test delivers them.

import { format, isAtOrAfter, parse } from "../../../notifications/static/notifications/client/cursor.js";

class Stream {
  epoch = "e1";
  floor = 0;
  head = 0;
  revision = 0;
  values = new Map(); // key -> revision

  get place() {
    return { epoch: this.epoch, offset: this.head, revision: this.revision };
  }
}

export class Server {
  isUp = true;
  sockets = new Set();
  handshakes = 0;
  #streams = new Map();
  #refused = new Set();
  #epochs = 1;

  stream(name) {
    if (!this.#streams.has(name)) this.#streams.set(name, new Stream());
    return this.#streams.get(name);
  }

  cursor(name) {
    return format(this.stream(name).place);
  }

  // -- streams --------------------------------------------------------------------------

  append(name) {
    this.stream(name).head += 1;
    for (const socket of this.sockets) socket.push(name);
  }

  retain(name, key) {
    const stream = this.stream(name);
    stream.revision += 1;
    stream.values.set(key, stream.revision);
    for (const socket of this.sockets) socket.push(name);
  }

  prune(name, upTo = this.stream(name).head) {
    this.stream(name).floor = upTo;
  }

  // Replaces the stream by an empty one with a new epoch.
  renew(name) {
    this.#epochs += 1;
    this.#streams.set(name, Object.assign(new Stream(), { epoch: `e${this.#epochs}` }));
    for (const socket of this.sockets) socket.push(name);
  }

  refuse(name) {
    this.#refused.add(name);
    for (const socket of this.sockets) socket.refuse(name);
  }

  mayRead(name) {
    return !this.#refused.has(name);
  }

  // -- the network -----------------------------------------------------------------------

  connect = () => {
    const socket = new ServerSocket(this);
    this.handshakes += 1;
    if (this.isUp) this.sockets.add(socket);
    return socket;
  };

  drop(code = 1006) {
    for (const socket of [...this.sockets]) socket.drop(code);
  }

  // Delivers all frames in transit.
  settle() {
    for (let steps = 0; [...this.sockets].some((socket) => socket.step()); steps += 1) {
      if (steps > 100_000) throw new Error("The client and the server do not stop sending.");
    }
  }
}

// Both ends of a connection.
class ServerSocket {
  #server;
  #inbox = [];
  #outbox = [{ type: "welcome", protocol: 1, user: 1, window: 256, heartbeat: 20 }];
  #places = new Map(); // stream -> the place up to which it was sent
  #isOpen = false;

  constructor(server) {
    this.#server = server;
  }

  // -- the client's end ------------------------------------------------------------------

  send(text) {
    this.#inbox.push(JSON.parse(text));
  }

  close() {
    this.#server.sockets.delete(this);
  }

  // -- the server's end ------------------------------------------------------------------

  get streams() {
    return [...this.#places.keys()].sort();
  }

  drop(code) {
    this.close();
    this.onclose({ code });
  }

  push(name) {
    if (this.#places.has(name)) this.#sendFrom(name, this.#places.get(name));
  }

  refuse(name) {
    if (this.#places.delete(name)) this.#error(name);
  }

  // Delivers one frame to the client, or if there is none, one to the server.
  step() {
    return this.stepOut() || this.stepIn();
  }

  stepOut() {
    if (!this.#isOpen) this.onopen?.({});
    this.#isOpen = true;
    const frame = this.#outbox.shift();
    if (frame) this.onmessage({ data: JSON.stringify(frame) });
    return frame !== undefined;
  }

  stepIn() {
    const frame = this.#inbox.shift();
    if (frame?.type === "subscribe") {
      for (const each of Object.entries(frame.streams)) this.#subscribe(...each);
    }
    if (frame?.type === "unsubscribe") {
      for (const name of frame.streams) this.#places.delete(name);
    }
    return frame !== undefined;
  }

  #subscribe(stream, cursor) {
    if (!this.#server.mayRead(stream)) return this.#error(stream);
    const { epoch, floor, place } = this.#server.stream(stream);
    const requested = parse(cursor);
    const start = requested ?? { epoch, offset: floor, revision: 0 };
    const recovered = isAtOrAfter(place, start) && start.offset >= floor;
    const subscribed = { type: "subscribed", stream, recovered };
    this.#outbox.push({ ...subscribed, cursor: format(recovered ? start : { epoch, offset: floor, revision: 0 }) });
    this.#sendFrom(stream, start);
  }

  // Sends values before events, like notifications/streams/backlog.py.
  #sendFrom(stream, after) {
    const { epoch, floor, head, revision, values, place } = this.#server.stream(stream);
    let start = after;
    if (after.epoch !== epoch || after.offset < floor) {
      start = { epoch, offset: floor, revision: 0 };
      const reason = after.epoch === epoch ? "pruned" : "epoch";
      this.#outbox.push({ type: "reset", stream, reason });
    }
    const newer = [...values].filter(([, each]) => each > start.revision);
    for (const [key, each] of newer.sort(([, a], [, b]) => a - b)) {
      const cursor = format({ ...start, revision: each });
      this.#outbox.push({ type: "state", stream, key, revision: each, cursor, data: {} });
    }
    for (let offset = start.offset + 1; offset <= head; offset += 1) {
      const cursor = format({ epoch, offset, revision });
      this.#outbox.push({ type: "event", stream, offset, cursor, event: "log", data: {} });
    }
    this.#places.set(stream, place);
  }

  #error(stream) {
    this.#outbox.push({ type: "error", code: "forbidden", detail: "No.", stream });
  }
}
