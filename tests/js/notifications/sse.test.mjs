// Server-sent events, on a network that blocks WebSockets.

import assert from "node:assert/strict";
import { test } from "node:test";

import { STEP_MS } from "./network.mjs";
import { API, live } from "./one_transport.mjs";

test("sse: ended response is followed by another, status unchanged", async () => {
  const { page, server } = await live("sse");
  const statuses = page.statuses.length;

  for (let text = 0; text < 20; text += 1) {
    server.append("user-1", text);
    if (text % 4 === 3) for (const answer of [...server.connections]) answer.end();
    await server.pass(1000);
  }

  assert.deepEqual(page.seen, server.texts("user-1"));
  assert.equal(page.statuses.length, statuses);
  assert.equal(server.paths.length, 5);
});

test("sse: response with frames is followed at once", async () => {
  const { server } = await live("sse");

  server.append("user-1", "c");
  await server.pass(0);
  for (const answer of [...server.connections]) answer.end();
  await server.pass(STEP_MS);

  assert.equal(server.paths.length, 1);
});

test("sse: response without frames is followed after a second", async () => {
  const { server } = await live("sse");

  for (const answer of [...server.connections]) answer.end();
  await server.pass(750);
  const early = server.paths.length;
  await server.pass(250);

  assert.deepEqual([early, server.paths.length], [0, 1]);
});

test("sse: invalid cursor is not confirmed", async () => {
  const { client, page, server } = await live("sse");

  client.subscribe({ "user-1": "old.9.9" });
  await server.pass(1000);

  assert.deepEqual(page.resets, ["user-1"]);
  assert.deepEqual(page.subscribed, []);
});

test("sse: connection without comments is lost", async () => {
  const { client, page, server } = await live("sse");
  await server.pass(120_000);
  const before = page.statuses.length;

  for (const answer of server.connections) answer.comment = () => {};
  await server.pass(30_000);
  const statuses = page.statuses.slice(before);
  await server.pass(10_000);

  assert.deepEqual(statuses.slice(0, 1), ["lost"]);
  assert.deepEqual([client.status, client.transport], ["live", "sse"]);
});

test("sse: first page without a response times out", async () => {
  const { client, server } = await live("sse");

  server.network.polling = "hold";
  client.subscribe({ "user-1": null });
  await server.pass(10_000);

  assert.notEqual(client.status, "live");
});

test("sse: response after a stop is ignored", async () => {
  const { client, page, server } = await live("sse");
  let answer;
  server.overrides[`${API}user-1/sse`] = () => {
    const body = new ReadableStream({ start: (controller) => (answer = controller) });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };
  client.wake();
  await server.pass(0);

  client.stop();
  answer.enqueue(new TextEncoder().encode(": still here\n\n"));
  await server.pass(60_000);

  assert.equal(page.statuses.at(-1), "stopped");
});

test("sse: visible tab replaces connections that may be dead", async () => {
  const { client, server } = await live("sse");
  const [before] = server.connections;

  client.wake();
  await server.pass(0);

  assert.equal(server.connections.has(before), false);
  assert.equal(server.connections.size, 1);
  assert.equal(client.status, "live");
});

test("sse: split characters arrive complete", async () => {
  const { page, server } = await live("sse");

  server.append("user-1", "Größe: 5 µs · 日本語");
  await server.pass(0);

  assert.equal(page.seen.at(-1), "Größe: 5 µs · 日本語");
});
