// Server-sent events: the transport where WebSockets are blocked. socket.js has the interface of a
// transport.
//
// Each stream has a request, whose response is read while it grows. EventSource would do that, but
// it reports neither why a request was refused nor whether the connection is still alive.

import { endReason, fetchStream, readPage, StreamError } from "./http.js";
import { ANSWER_MS, Timers } from "../lib/timers.js";

// The server sends a comment after half a second, and then every 15 s
// (notifications/delivery/http_streams.py).
const SILENCE_MS = 30_000;
// The server ends a response after a while. After a response without frames, the next request
// waits.
const PAUSE_MS = 1000;

export class ServerSentEvents {
  #api;
  #env;
  #on;
  #timers; // By stream, and "no streams", which cannot be the name of a stream.
  #requests = new Map(); // stream -> AbortController
  #isOpen = false;

  constructor({ api, env, on }) {
    this.#api = api;
    this.#env = env;
    this.#on = on;
    this.#timers = new Timers(env);
  }

  // Follows each stream from the client's cursor. Earlier requests are aborted.
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

  received() {} // Over HTTP nothing is acknowledged.

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

  // An event stream does not report at once whether the cursor is valid, or where "latest" is. So
  // the first page is read with a normal request.
  async #catchUp(stream, signal) {
    this.#timers.arm(stream, ANSWER_MS, () => this.#end());
    const after = this.#on.cursor(stream);
    const { frames, cursor } = await readPage(this.#env, this.#api, { stream, after, signal });
    this.#pass(frames, signal);
    if (!signal.aborted) this.#on.followed(stream, cursor);
  }

  // Reads one response to its end.
  async #listen(stream, signal) {
    this.#timers.arm(stream, ANSWER_MS, () => this.#end(new StreamError("blocked")));
    const { body } = await fetchStream(this.#env, `${this.#api}${stream}/sse`, {
      after: this.#on.cursor(stream),
      signal,
      type: "text/event-stream",
    });
    let frameCount = null; // Null until the first chunk has arrived.
    for await (const frames of chunks(body)) {
      if (signal.aborted) return;
      // The first chunk may arrive together with the headers, even if a proxy then buffers the
      // rest. So the transport counts as open with the second chunk.
      if (this.#isOpen || frameCount !== null) {
        this.#timers.arm(stream, SILENCE_MS, () => this.#end());
        this.#open();
      }
      this.#pass(frames, signal);
      frameCount += frames.length;
    }
    if (signal.aborted) return;
    if (!this.#isOpen) throw new StreamError("blocked");
    const pause = frameCount > 0 ? 0 : PAUSE_MS;
    await new Promise((resolve) => this.#timers.arm(stream, pause, resolve));
  }

  #pass(frames, signal) {
    // A handler may leave the stream, or subscribe to it from another cursor.
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

// Yields the frames of each chunk of an event stream. A comment is a chunk without frames.
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
