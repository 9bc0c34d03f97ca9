// A client on a network that allows only server-sent events or only polling.

import assert from "node:assert/strict";

import { Server, beat } from "./network.mjs";

export const NETWORKS = {
  sse: { websocket: "forbid" },
  polling: { websocket: "forbid", sse: "forbid" },
};
export const API = "/api/v1/streams/";

export function problem(status, detail = "") {
  const headers = { "Content-Type": "application/problem+json" };
  return () => new Response(JSON.stringify({ status, detail }), { status, headers });
}

// Returns a live client with two received events, on a network that allows only `transport`.
export async function live(transport, options = {}) {
  const server = new Server();
  beat(server);
  server.network = { ...NETWORKS[transport] };
  server.append("user-1", "a", "b");
  const { client, page } = server.client({ subscriptions: { "user-1": null }, ...options });
  client.start();
  await server.pass(10_000);
  assert.deepEqual([client.status, client.transport], ["live", transport]);
  server.paths.length = page.subscribed.length = 0;
  return { client, page, server };
}
