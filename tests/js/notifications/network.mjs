// A server with streams in memory, behind a network that a test can break. It supports WebSockets,
// server-sent events and polling as in docs/protocol.md.

import { setImmediate as tick } from "node:timers/promises";

import { StreamClient } from "../../../notifications/static/notifications/client/stream.js";
import { Clock } from "./clock.mjs";

// The time that passes between two rounds of promises.
export const STEP_MS = 250;
const HEARTBEAT = 20;
const PAGE = 3; // Frames in a response to a poll.

export class Server {
  clock = new Clock();
  isUp = true;
  // What the network does to "websocket", "sse" and "polling": "forbid" it, respond with a page of a
  // captive portal ("welcome"), "hold" back all data, or "hold the rest" after the first piece.
  network = {};
  piece = 7; // Bytes that arrive at once.
  // Responses that replace those for a path: `{ "/path": () => new Response(…) }`.
  overrides = {};
  handshakes = 0;
  paths = []; // The requested paths.
  connections = new Set(); // Sockets and event streams.
  epoch = "e";
  #streams = new Map(); // name -> texts of events

  // Returns a client that is not started, and a record of the calls of its handlers.
  client(options = {}) {
    const page = { seen: [], resets: [], refused: [], subscribed: [], statuses: [], errors: [] };
    const client = new StreamClient({
      url: "wss://test/ws/streams/",
      onEvent: ({ data }) => page.seen.push(data.text),
      onReset: ({ stream }) => page.resets.push(stream),
      onSubscribed: (stream) => page.subscribed.push(stream),
      onRefused: (...refusal) => page.refused.push(refusal),
      onStatus: (status) => page.statuses.push(status),
      isSignedIn: async () => {
        if (!this.isUp) throw new TypeError("The server is down.");
        return true;
      },
      ...options,
      env: {
        connect: () => new FakeSocket(this),
        fetch: (url, { signal }) => this.#respond(new URL(url), signal),
        now: this.clock.now,
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        random: () => 0.5,
        report: (error) => page.errors.push(error),
        ...options.env,
      },
    });
    return { client, page };
  }

  // Lets `ms` pass, and handles everything that happens meanwhile.
  async pass(ms) {
    await settled();
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.clock.advance(Math.min(STEP_MS, left));
      await settled();
    }
  }

  append(stream, ...texts) {
    this.#streams.set(stream, [...this.texts(stream), ...texts]);
    for (const connection of this.connections) connection.wake();
  }

  texts(stream) {
    return this.#streams.get(stream) ?? [];
  }

  // Replaces the database by an empty one.
  forget() {
    this.#streams.clear();
    this.epoch += "e";
  }

  // Breaks every connection.
  cut() {
    for (const connection of [...this.connections]) connection.lose();
  }

  cursor(stream, offset = this.texts(stream).length) {
    return `${this.epoch}.${offset}.0`;
  }

  // Returns where delivery begins, and whether the cursor is invalid.
  start(stream, cursor) {
    if (cursor === null) return { offset: 0, isReset: false };
    if (cursor === "latest") return { offset: this.texts(stream).length, isReset: false };
    const [epoch, offset] = cursor.split(".");
    return epoch === this.epoch
      ? { offset: Number(offset), isReset: false }
      : { offset: 0, isReset: true };
  }

  after(stream, offset) {
    return this.texts(stream).slice(offset).map((text, index) => ({
      type: "event",
      stream,
      offset: offset + index + 1,
      cursor: this.cursor(stream, offset + index + 1),
      event: "log",
      data: { text },
    }));
  }

  async #respond(url, signal) {
    this.paths.push(url.pathname);
    const [stream, isSse] = url.pathname.slice("/api/v1/streams/".length).split("/");
    const treatment = this.network[isSse ? "sse" : "polling"];
    await tick();
    if (!this.isUp) throw new TypeError("The server is down.");
    if (treatment === "forbid") return new Response("<h1>No</h1>", { status: 403 });
    if (treatment === "welcome") return welcome();
    if (treatment === "hold") {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
    }
    if (this.overrides[url.pathname]) return this.overrides[url.pathname]();
    const start = this.start(stream, url.searchParams.get("after"));
    return isSse ? this.#openEventStream(stream, start, signal) : this.#page(stream, start);
  }

  #page(stream, { offset, isReset }) {
    const frames = this.after(stream, offset).slice(0, PAGE);
    return Response.json({
      stream,
      cursor: this.cursor(stream, offset + frames.length),
      reset: isReset ? "epoch" : null,
      more: frames.length === PAGE,
      frames,
    });
  }

  #openEventStream(stream, start, signal) {
    const body = new ReadableStream({
      start: (controller) => {
        const events = new EventStream(this, stream, start, controller);
        signal.addEventListener("abort", () => events.lose());
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
  }
}

class EventStream {
  constructor(server, stream, { offset, isReset }, controller) {
    Object.assign(this, { server, stream, offset, controller });
    server.connections.add(this);
    controller.enqueue(new TextEncoder().encode("retry: 1000\n\n"));
    this.isHeld = server.network.sse === "hold the rest";
    if (isReset) this.send(textOf({ type: "reset", stream, reason: "epoch" }));
    this.wake();
    server.clock.setTimeout(() => this.comment(), 500);
  }

  // Sends text in pieces, which may end within a character.
  send(text) {
    if (this.isHeld) return;
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += this.server.piece) {
      this.controller.enqueue(bytes.slice(at, at + this.server.piece));
    }
  }

  wake() {
    const frames = this.server.after(this.stream, this.offset);
    this.offset += frames.length;
    this.send(frames.map(textOf).join(""));
  }

  comment() {
    if (this.server.connections.has(this)) this.send(": still here\n\n");
  }

  // The server ends a response after a while.
  end() {
    this.server.connections.delete(this);
    this.controller.close();
  }

  lose() {
    if (this.server.connections.delete(this)) this.controller.error(new TypeError("lost"));
  }
}

// Returns the page of a captive portal, in two pieces.
function welcome() {
  const body = new ReadableStream({
    async start(controller) {
      for (const piece of ["<h1>Welcome to the network</h1>", "<p>Please sign in."]) {
        controller.enqueue(new TextEncoder().encode(piece));
        await tick();
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/html" } });
}

function textOf(frame) {
  return `event: ${frame.type}\nid: ${frame.cursor}\ndata: ${JSON.stringify(frame)}\n\n`;
}

class FakeSocket {
  #server;
  #offsets = new Map(); // stream -> the last offset sent
  #isOpen = false;
  isClosed = false;

  constructor(server) {
    this.#server = server;
    server.handshakes += 1;
    const treatment = server.isUp ? server.network.websocket : "forbid";
    setImmediate(() => {
      if (this.isClosed) return;
      if (treatment === "forbid") return this.onclose({ code: 1006 });
      this.#isOpen = true;
      this.onopen();
      if (treatment === "hold") return;
      server.connections.add(this);
      this.#deliver({ type: "welcome", protocol: 1, user: 1, window: 256, heartbeat: HEARTBEAT });
    });
  }

  send(text) {
    if (!this.#isOpen) throw new Error("InvalidStateError: still connecting");
    const frame = JSON.parse(text);
    if (frame.type === "subscribe") {
      for (const [stream, cursor] of Object.entries(frame.streams)) this.#follow(stream, cursor);
    } else if (frame.type === "unsubscribe") {
      for (const stream of frame.streams) this.#offsets.delete(stream);
    }
  }

  wake() {
    for (const [stream, offset] of this.#offsets) {
      for (const frame of this.#server.after(stream, offset)) {
        this.#offsets.set(stream, frame.offset);
        this.#deliver(frame);
      }
    }
  }

  comment() {
    this.#deliver({ type: "heartbeat", heads: {} });
  }

  lose() {
    this.close();
    this.onclose({ code: 1006 });
  }

  close() {
    this.isClosed = true;
    this.#server.connections.delete(this);
  }

  #follow(stream, cursor) {
    const { offset, isReset } = this.#server.start(stream, cursor);
    const at = this.#server.cursor(stream, offset);
    this.#offsets.set(stream, offset);
    this.#deliver({ type: "subscribed", stream, cursor: at, recovered: !isReset });
    if (isReset) this.#deliver({ type: "reset", stream, reason: "epoch" });
    this.wake();
  }

  #deliver(frame) {
    setImmediate(() => this.isClosed || this.onmessage({ data: JSON.stringify(frame) }));
  }
}

// Waits until all promises have settled.
export async function settled() {
  for (let round = 0; round < 10; round += 1) await tick();
}

// Sends heartbeats on all connections.
export function beat(server) {
  server.clock.setTimeout(() => {
    for (const connection of server.connections) connection.comment();
    beat(server);
  }, 10_000);
}
