// Many StreamClients in one process: `node crowd.mjs '<json>'`, the pages' own code.
//
// The JSON: { "url": the socket's, "page": one that is there for everybody, "streams": [...],
// "tokens": [one a client] }.
// Says on which port it answers. GET / then tells of each client what it was given (as
// tests/faults/record.py keeps it), its status, and when it began each handshake.

import http from "node:http";

import { isSignedIn } from "../../notifications/static/notifications/lib/session.js";
import { StreamClient } from "../../notifications/static/notifications/client/stream.js";

const { url, page, streams, tokens } = JSON.parse(process.argv[2]);

function follow(token) {
  const seen = { events: {}, values: {}, others: [], begun: [], status: "" };
  const headers = { Authorization: `Bearer ${token}` };
  const client = new StreamClient({
    url,
    subscriptions: Object.fromEntries(streams.map((stream) => [stream, null])),
    onEvent: ({ stream, offset, event, data }) => {
      (seen.events[stream] ??= []).push([offset, event, data]);
    },
    onState: ({ stream, revision, key, data }) => {
      (seen.values[stream] ??= []).push([revision, key, data]);
    },
    onReset: (frame) => seen.others.push(frame),
    onRefused: (refusal) => seen.others.push(refusal),
    onStatus: (status) => (seen.status = status),
    isSignedIn: () => isSignedIn(page),
    env: {
      fetch: (address, options) => fetch(address, { ...options, headers }),
      connect: (address, protocols) => {
        seen.begun.push(Date.now());
        return new WebSocket(address, { protocols, headers });
      },
    },
  });
  client.start();
  return seen;
}

const crowd = tokens.map(follow);

const server = http.createServer((_, answer) => answer.end(JSON.stringify(crowd)));
server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`));
