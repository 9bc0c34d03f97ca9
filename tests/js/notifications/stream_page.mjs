// A client of streams with a clock and sockets of its own.

import { StreamClient } from "../../../notifications/static/notifications/client/stream.js";
import { Clock } from "./clock.mjs";

export const HEARTBEAT = 20;

// Returns a client with its clock, and its sockets and the calls of its handlers in `page`.
export function setUp(options = {}) {
  const clock = new Clock();
  const page = { sockets: [], events: [], states: [], resets: [], statuses: [], errors: [] };
  page.refused = [];
  page.subscribed = [];
  const client = new StreamClient({
    url: "ws://test/ws/streams/",
    subscriptions: { "user-1": "e.10.5" },
    onEvent: (frame) => page.events.push(frame.offset),
    onState: (frame) => page.states.push(frame.revision),
    onReset: (frame) => page.resets.push(frame.stream),
    onSubscribed: (stream) => page.subscribed.push(stream),
    onRefused: (stream, detail) => page.refused.push([stream, detail]),
    onStatus: (status) => page.statuses.push(status),
    ...options,
    env: {
      now: clock.now,
      setTimeout: clock.setTimeout,
      clearTimeout: clock.clearTimeout,
      connect(url, protocol) {
        const socket = new FakeSocket(url, protocol);
        page.sockets.push(socket);
        return socket;
      },
      random: () => 1,
      report: (error) => page.errors.push(error),
      ...options.env,
    },
  });
  client.start();
  return { client, clock, page, socket: () => page.sockets.at(-1) };
}

class FakeSocket {
  constructor(url, protocol) {
    Object.assign(this, { url, protocol, sent: [], isClosed: false });
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  receive(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
  }

  accept({ window = 256, streams = { "user-1": "e.10.5" } } = {}) {
    this.receive({ type: "welcome", protocol: 1, user: 1, window, heartbeat: HEARTBEAT });
    for (const [stream, cursor] of Object.entries(streams)) {
      this.receive({ type: "subscribed", stream, cursor, recovered: true });
    }
  }

  // Breaks the connection.
  lose(code = 1006) {
    this.onclose({ code });
  }

  sentOf(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

export const event = (offset, more = {}) => ({
  type: "event",
  stream: "user-1",
  offset,
  cursor: `e.${offset}.5`,
  event: "log",
  data: {},
  ...more,
});

export const state = (revision, more = {}) => ({
  type: "state",
  stream: "user-1",
  key: "export-1",
  revision,
  cursor: `e.10.${revision}`,
  data: {},
  ...more,
});
