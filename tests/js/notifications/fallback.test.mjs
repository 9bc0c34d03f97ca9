// A client on a network that blocks transports.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Ladder } from "../../../notifications/static/notifications/client/ladder.js";
import { Server, beat } from "./network.mjs";

const SUBSCRIPTIONS = { "user-1": null };

async function started(network = {}, options = {}) {
  const server = new Server();
  beat(server);
  server.network = network;
  server.append("user-1", "a", "b");
  const { client, page } = server.client({ subscriptions: SUBSCRIPTIONS, ...options });
  client.start();
  await server.pass(10_000);
  return { client, page, server };
}

test("client uses only the WebSocket if it works", async () => {
  const { client, page, server } = await started();

  server.append("user-1", "c");
  await server.pass(120_000);

  assert.deepEqual([client.status, client.transport], ["live", "websocket"]);
  assert.deepEqual(page.seen, ["a", "b", "c"]);
  assert.deepEqual([server.handshakes, server.paths], [1, []]);
});

test("blocked WebSocket falls back to server-sent events", async () => {
  const { client, page, server } = await started({ websocket: "forbid" });

  server.append("user-1", "c", "d");
  await server.pass(0);

  assert.deepEqual([client.status, client.transport], ["live", "sse"]);
  assert.deepEqual(page.seen, ["a", "b", "c", "d"]);
  assert.equal(page.statuses.at(-1), "live");
  assert.equal(server.handshakes, 3);
});

test("WebSocket without data is tried only once", async () => {
  const { client, page, server } = await started({ websocket: "hold" });

  await server.pass(1000);

  assert.equal(client.transport, "sse");
  assert.equal(server.handshakes, 1);
  assert.deepEqual(page.seen, ["a", "b"]);
});

for (const sse of ["forbid", "hold", "hold the rest", "welcome"]) {
  test(`server-sent events with "${sse}" fall back to polling`, async () => {
    const { client, page, server } = await started({ websocket: "forbid", sse });
    await server.pass(10_000);

    server.append("user-1", "c", "d", "e", "f");
    await server.pass(3000);

    assert.deepEqual([client.status, client.transport], ["live", "polling"]);
    assert.deepEqual(page.seen, ["a", "b", "c", "d", "e", "f"]);
  });
}

test("server-sent events without data fall back to polling", async () => {
  const { client, page, server } = await started({ websocket: "forbid" });
  server.overrides["/api/v1/streams/user-1/sse"] = () =>
    new Response("retry: 1000\n\n", { headers: { "Content-Type": "text/event-stream" } });

  client.stop();
  client.start();
  await server.pass(10_000);

  assert.deepEqual([client.status, client.transport], ["live", "polling"]);
  assert.deepEqual(page.seen, ["a", "b"]);
});

test("client with many streams polls at once", async () => {
  const subscriptions = { "user-1": null, "team-2": null, "export-3": null };

  const { client, server } = await started({ websocket: "forbid" }, { subscriptions });

  assert.deepEqual([client.status, client.transport], ["live", "polling"]);
  assert.equal(server.paths.filter((path) => path.endsWith("/sse")).length, 0);
});

test("third stream switches to polling without losing events", async () => {
  const { client, page, server } = await started({ websocket: "forbid" });
  const before = client.transport;

  client.subscribe({ "team-2": null, "export-3": null });
  server.append("user-1", "c");
  server.append("export-3", "x");
  await server.pass(4000);

  assert.deepEqual([before, client.transport, client.status], ["sse", "polling", "live"]);
  assert.deepEqual(page.seen.toSorted(), ["a", "b", "c", "x"]);
});

test("repaired network is used without a change of status", async () => {
  const { client, page, server } = await started({ websocket: "forbid", sse: "forbid" });
  const statuses = page.statuses.length;

  server.network = {};
  for (let text = 0; text < 100; text += 1) {
    server.append("user-1", text);
    await server.pass(1000);
  }

  assert.deepEqual([client.status, client.transport], ["live", "websocket"]);
  assert.equal(page.statuses.length, statuses);
  assert.deepEqual(page.seen, server.texts("user-1"));
});

test("client back at the WebSocket uses nothing else", async () => {
  for (const network of [{ websocket: "forbid" }, { websocket: "forbid", sse: "forbid" }]) {
    const { client, server } = await started(network);
    server.network = {};
    client.wake();
    await server.pass(1000);
    const requests = server.paths.length;

    server.cut();
    await server.pass(60_000);

    assert.deepEqual([client.status, client.transport], ["live", "websocket"]);
    assert.equal(server.paths.length, requests);
    assert.equal(server.connections.size, 1);
  }
});

test("WebSocket is tried again about once a minute", async () => {
  const { client, page, server } = await started({ websocket: "forbid" });
  const before = server.handshakes;

  await server.pass(600_000);

  assert.equal(server.handshakes - before, 10);
  assert.equal(client.transport, "sse");
  assert.equal(page.statuses.at(-1), "live");
});

test("WebSocket is tried at once when the tab is visible again", async () => {
  const { client, server } = await started({ websocket: "forbid" });

  server.network = {};
  client.wake();
  await server.pass(0);

  assert.equal(client.transport, "websocket");
});

test("failed server does not count as a blocked network", async () => {
  const { client, page, server } = await started();

  server.isUp = false;
  server.cut();
  await server.pass(300_000);
  const whileDown = page.statuses.at(-1);
  server.isUp = true;
  server.append("user-1", "c");
  await server.pass(30_000);

  assert.equal(whileDown, "lost");
  assert.deepEqual([client.status, client.transport], ["live", "websocket"]);
  assert.deepEqual(page.seen, ["a", "b", "c"]);
  assert.deepEqual(server.paths, []);
});

test("client without a session check returns to the WebSocket", async () => {
  const { client, page, server } = await started({}, { isSignedIn: undefined });

  server.isUp = false;
  server.cut();
  await server.pass(300_000);
  server.isUp = true;
  server.append("user-1", "c");
  await server.pass(150_000);

  assert.deepEqual([client.status, client.transport], ["live", "websocket"]);
  assert.deepEqual(page.seen, ["a", "b", "c"]);
});

test("client without an API address tries only the WebSocket", async () => {
  const { client, page, server } = await started({ websocket: "forbid" }, { api: null });

  await server.pass(120_000);

  assert.equal(client.transport, null);
  assert.equal(server.handshakes, page.statuses.filter((each) => each === "connecting").length);
});

test("stopped client leaves no timer and no connection", async () => {
  for (const network of [{}, { websocket: "forbid" }, { websocket: "forbid", sse: "forbid" }]) {
    const server = new Server();
    server.network = network;
    const { client } = server.client({ subscriptions: SUBSCRIPTIONS });
    client.start();
    await server.pass(10_000);

    client.stop();
    await server.pass(0);

    assert.equal(server.clock.pending, 0);
    assert.equal(server.connections.size, 0);
  }
});

test("client stopped during an upgrade leaves no timer", async () => {
  const server = new Server();
  server.network = { websocket: "forbid" };
  const { client, page } = server.client({ subscriptions: SUBSCRIPTIONS });
  client.start();
  await server.pass(10_000);

  server.network = { websocket: "hold" };
  client.wake();
  await server.pass(1000);
  client.stop();

  assert.equal(server.clock.pending, 0);
  await server.pass(60_000);
  assert.equal(page.statuses.at(-1), "stopped");
});

test("three failures in a row change the transport", () => {
  const rungs = [{ room: Infinity }, { room: Infinity }];
  const ladder = new Ladder(rungs);
  const failed = () => {
    ladder.failed();
    return rungs.indexOf(ladder.pick(1));
  };

  assert.deepEqual([failed(), failed()], [0, 0]);
  ladder.worked();
  assert.deepEqual([failed(), failed(), failed()], [0, 0, 1]);
  assert.deepEqual([failed(), failed(), failed()], [1, 1, 0]); // The third failure changes the transport.
});

// Pseudorandom numbers from a seed, so that a failure can be repeated.
function* numbers(seed) {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state / 2_147_483_648;
  }
}

// proves: live-without-websockets
test("each event arrives once and in order on any network", async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) await t.test(`seed ${seed}`, () => endure(seed));
});

async function endure(seed) {
  const random = numbers(seed);
  const upTo = (limit) => Math.floor(random.next().value * limit);
  const { client, page, server } = await started({}, { env: { random: () => random.next().value } });
  const treatments = [undefined, undefined, "forbid", "hold", "hold the rest"];
  const actions = [
    () => server.append("user-1", server.texts("user-1").length),
    () => server.cut(),
    () => (server.isUp = upTo(2) === 0),
    () => (server.network.websocket = treatments[upTo(5)]),
    () => (server.network.sse = treatments[upTo(5)]),
    () => (server.network.polling = treatments[upTo(5)]),
    () => client.wake(),
    () => client.subscribe({ "user-1": client.cursors["user-1"] }),
    () => client.subscribe({ "team-2": null, "export-3": null }),
    () => client.unsubscribe(["team-2", "export-3"]),
  ];

  for (let step = 0; step < 60; step += 1) {
    actions[upTo(2) ? upTo(actions.length) : 0]();
    await server.pass([0, 250, 5000, 20_000][upTo(4)]);
  }
  Object.assign(server, { isUp: true, network: {} });
  await server.pass(180_000);

  assert.deepEqual(page.seen, server.texts("user-1"));
  assert.equal(client.status, "live");
  assert.deepEqual(page.errors, []);
}
