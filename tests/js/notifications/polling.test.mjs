// Polling, on a network that blocks WebSockets and server-sent events.

import assert from "node:assert/strict";
import { test } from "node:test";

import { API, live, problem } from "./one_transport.mjs";

test("polling: backlog of many pages arrives without waits", async () => {
  const { page, server } = await live("polling");

  server.append("user-1", ...Array(20).keys());
  await server.pass(3000);

  assert.deepEqual(page.seen, server.texts("user-1"));
});

test("polling: streams are requested one by one every 3 s", async () => {
  const streams = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`export-${n}`, null]));
  const { client, server } = await live("polling", { subscriptions: streams });
  let [now, most] = [0, 0];
  server.overrides = Object.fromEntries(
    Object.keys(streams).map((stream) => [
      `${API}${stream}`,
      async () => {
        most = Math.max(most, (now += 1));
        await new Promise((resolve) => server.clock.setTimeout(resolve, 100));
        now -= 1;
        return Response.json({ frames: [], cursor: "e.0.0", reset: null, more: false });
      },
    ]),
  );

  for (let second = 0; second < 9; second += 1) {
    await server.pass(750);
    client.wake();
    await server.pass(250);
  }

  assert.equal(most, 1);
  assert.ok(server.paths.length >= 20);
  assert.equal(client.status, "live");
});

test("polling: added stream is requested at once", async () => {
  const { client, page, server } = await live("polling");
  server.append("export-2", "x");

  client.subscribe({ "export-2": null });
  await server.pass(1);

  assert.deepEqual(page.seen, ["a", "b", "x"]);
});

test("polling: response to an abandoned request is ignored", async () => {
  const { client, page, server } = await live("polling");
  let answer;
  server.append("user-1", "c");
  server.overrides[`${API}user-1`] = () => new Promise((resolve) => (answer = resolve));
  await server.pass(3000);
  const late = () => ({
    frames: server.after("user-1", 2),
    cursor: server.cursor("user-1"),
    reset: null,
    more: false,
  });

  client.subscribe({ "user-1": server.cursor("user-1", 0) });
  server.overrides = {};
  answer(Response.json(late()));
  await server.pass(0);

  assert.deepEqual(page.seen, ["a", "b", "a", "b", "c"]);
});

test("polling: refusal of an abandoned request is ignored", async () => {
  const { client, page, server } = await live("polling");
  let answer;
  server.overrides[`${API}user-1`] = () => new Promise((resolve) => (answer = resolve));
  await server.pass(3000);

  client.subscribe({ "user-1": null });
  server.overrides = {};
  answer(problem(404)());
  await server.pass(3000);

  assert.deepEqual(page.refused, []);
  assert.deepEqual(page.seen, ["a", "b", "a", "b"]);
});

test("polling: request without a response times out", async () => {
  const { client, page, server } = await live("polling");

  server.network.polling = "hold";
  await server.pass(3000 + 10_000);
  const meanwhile = client.status;
  server.network.polling = undefined;
  server.append("user-1", "c");
  await server.pass(30_000);

  assert.notEqual(meanwhile, "live");
  assert.deepEqual(page.seen, ["a", "b", "c"]);
});
