// Server-sent events: the transport for where a WebSocket does not get through. What a
// transport is, says socket.js.
//
// A request for each stream, read as it grows. EventSource would do that, but it tells
// neither why a request was refused nor whether anybody is still there.

import { fetchStream, endReason, readPage, StreamError } from "./http.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

// The server says something after half a second, and then every 15 s (notifications/delivery/http_streams.py).
const SILENCE_MS = 30_000;
// An answer ends itself now and then. After one that brought nothing the next may wait.
const PAUSE_MS = 1000;

export class ServerSentEvents {
  #api;
  #env;
  #on;
  #timers; // what is due next for each stream, and "no streams", which is no stream's name
  #requests = new Map(); // stream -> what aborts its request
  #isOpen = false;

  constructor({ api, env, on }) {
    this.#api = api;
    this.#env = env;
    this.#on = on;
    this.#timers = new Timers(env);
  }

  // Each from where the client stands. What has been asked before does not count.
  subscribe(streams) {
    this.unsubscribe(streams);
    for (const stream of streams) this.#follow(stream);
    if (this.#requests.size === 0) this.#timers.arm("no streams", 0, () => this.#open());
  }

  unsubscribe(streams) {
    for (const stream of streams) {
      this.#timers.disarm(stream);
      this.#requests.get(stream)?.abort();
      this.#requests.delete(stream);
    }
  }

  received() {} // The answers are read from the table. Nobody waits to hear of them.

  check() {
    this.subscribe([...this.#requests.keys()]);
  }

  close() {
    this.unsubscribe([...this.#requests.keys()]);
    this.#timers.disarmAll();
  }

  async #follow(stream) {
    const request = new AbortController();
    const { signal } = request;
    this.#requests.set(stream, request);
    try {
      await this.#catchUp(stream, signal);
      while (!signal.aborted) await this.#listen(stream, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error.reason === "no-stream") this.#refuse(stream, error.detail);
      else this.#end(error);
    }
  }

  // What grows does not say in time whether the cursor is good, or where "latest" is.
  async #catchUp(stream, signal) {
    this.#timers.arm(stream, ANSWER_MS, () => this.#end());
    const after = this.#on.cursor(stream);
    const { frames, cursor } = await readPage(this.#env, this.#api, { stream, after, signal });
    this.#pass(frames, signal);
    if (!signal.aborted) this.#on.followed(stream, cursor);
  }

  // One answer, to its end.
  async #listen(stream, signal) {
    this.#timers.arm(stream, ANSWER_MS, () => this.#end(new StreamError("blocked")));
    const { body } = await fetchStream(this.#env, `${this.#api}${stream}/sse`, {
      after: this.#on.cursor(stream),
      signal,
      type: "text/event-stream",
    });
    let brought = null;
    for await (const frames of chunks(body)) {
      if (signal.aborted) return;
      // A first chunk may come through with the answer's head, and the rest be held back.
      if (this.#isOpen || brought !== null) {
        this.#timers.arm(stream, SILENCE_MS, () => this.#end());
        this.#open();
      }
      this.#pass(frames, signal);
      brought += frames.length;
    }
    if (signal.aborted) return;
    if (!this.#isOpen) throw new StreamError("blocked");
    const pause = brought > 0 ? 0 : PAUSE_MS;
    await new Promise((resolve) => this.#timers.arm(stream, pause, resolve));
  }

  #pass(frames, signal) {
    // A handler may have left the stream, or asked for it from elsewhere.
    for (const frame of frames) if (!signal.aborted) this.#on.frame(frame);
  }

  #refuse(stream, detail) {
    this.unsubscribe([stream]);
    this.#open();
    this.#on.refused(stream, detail);
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

// The frames of each chunk of an event stream. A comment makes a chunk without any.
async function* chunks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    yield blocks.flatMap(framesIn);
  }
}

function framesIn(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => JSON.parse(line.slice("data: ".length)));
}
