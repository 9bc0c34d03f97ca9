// The common behaviour of server-sent events and polling.

import assert from "node:assert/strict";
import { test } from "node:test";

import { STEP_MS } from "./network.mjs";
import { API, NETWORKS, live, problem } from "./one_transport.mjs";

for (const transport of Object.keys(NETWORKS)) {
  test(`${transport}: "latest" resumes from the first cursor`, async () => {
    const { page, server } = await live(transport, { subscriptions: { "user-1": "latest" } });

    server.append("user-1", "c");
    await server.pass(3000);

    assert.deepEqual(page.seen, ["c"]);
  });

  test(`${transport}: client resumes from its cursors after a loss`, async () => {
    const { client, page, server } = await live(transport);

    server.isUp = false;
    server.cut();
    await server.pass(5000);
    const meanwhile = client.status;
    server.append("user-1", "c", "d", "e", "f");
    server.isUp = true;
    await server.pass(30_000);

    assert.notEqual(meanwhile, "live");
    assert.deepEqual([client.status, client.transport], ["live", transport]);
    assert.deepEqual(page.seen, ["a", "b", "c", "d", "e", "f"]);
  });

  test(`${transport}: invalid cursor causes a reset before all events`, async () => {
    const { client, page, server } = await live(transport, { subscriptions: { "user-1": "old.9.9" } });

    const resets = [...page.resets];
    server.forget();
    server.cut();
    server.append("user-1", "c");
    await server.pass(10_000);

    assert.deepEqual(resets, ["user-1"]);
    assert.deepEqual(page.resets, ["user-1", "user-1"]);
    assert.deepEqual(page.seen, ["a", "b", "c"]);
    assert.deepEqual(client.cursors, { "user-1": server.cursor("user-1") });
  });

  test(`${transport}: subscription from an earlier cursor restarts from it`, async () => {
    const { client, page, server } = await live(transport);

    client.subscribe({ "user-1": server.cursor("user-1", 1) });
    await server.pass(3000);

    assert.deepEqual(page.seen, ["a", "b", "b"]);
    assert.deepEqual(page.subscribed, ["user-1"]);
  });

  test(`${transport}: valid cursor is confirmed once on each connection`, async () => {
    const { client, page, server } = await live(transport);

    client.stop();
    client.start();
    await server.pass(30_000);

    assert.deepEqual(page.subscribed, ["user-1"]);
  });

  test(`${transport}: left stream is ignored and not requested again`, async () => {
    const { client, page, server } = await live(transport);
    const statuses = [...page.statuses];

    client.unsubscribe(["user-1"]);
    server.append("user-1", "c");
    await server.pass(60_000);

    assert.deepEqual(page.seen, ["a", "b"]);
    assert.equal(server.paths.length, 0);
    assert.equal(client.transport, transport);
    assert.deepEqual(page.statuses, statuses);
  });

  test(`${transport}: client without streams is live`, async () => {
    const { client, server } = await live(transport);
    client.unsubscribe(["user-1"]);

    client.stop();
    client.start();
    await server.pass(1000);

    assert.deepEqual([client.status, client.transport], ["live", transport]);
    assert.equal(server.paths.length, 0);
  });

  test(`${transport}: client with its only stream refused is live`, async () => {
    const { client, page, server } = await live(transport);
    server.overrides[`${API}user-1`] = server.overrides[`${API}user-1/sse`] = problem(404, "Gone.");

    client.stop();
    client.start();
    await server.pass(1000);

    assert.deepEqual(page.refused, [["user-1", "Gone."]]);
    assert.deepEqual([client.status, client.transport], ["live", transport]);
  });

  test(`${transport}: handler may leave its stream within a response`, async () => {
    const seen = [];
    const { client, page, server } = await live(transport, {
      onEvent({ data }) {
        seen.push(data.text);
        if (data.text === "c") client.unsubscribe(["user-1"]);
      },
    });
    server.piece = 10_000;
    const statuses = [...page.statuses];

    server.append("user-1", "c", "d");
    await server.pass(60_000);
    client.subscribe({ "user-1": server.cursor("user-1", 3) });
    await server.pass(3000);

    assert.deepEqual(seen, ["a", "b", "c", "d"]);
    assert.deepEqual(page.statuses, statuses);
  });

  test(`${transport}: handler may leave its stream within the first response`, async () => {
    const seen = [];
    const { client, page, server } = await live(transport, {
      onEvent({ data }) {
        seen.push(data.text);
        if (data.text === "x") client.unsubscribe(["export-2"]);
      },
    });
    const statuses = [...page.statuses];

    server.append("export-2", "x", "y");
    client.subscribe({ "export-2": null });
    await server.pass(10_000);
    client.stop();
    client.start();
    await server.pass(10_000);

    assert.deepEqual(seen, ["a", "b", "x"]);
    assert.deepEqual(page.statuses.slice(statuses.length), ["stopped", "connecting", "live"]);
  });

  test(`${transport}: handler may subscribe from another cursor within a response`, async () => {
    const seen = [];
    const { client, page, server } = await live(transport, {
      onEvent({ data }) {
        seen.push(data.text);
        if (seen.length === 3) client.subscribe({ "user-1": null });
      },
    });
    server.piece = 10_000;
    const statuses = [...page.statuses];

    server.append("user-1", "c", "d", "e");
    await server.pass(10_000);

    assert.deepEqual(seen, ["a", "b", "c", "a", "b", "c", "d", "e"]);
    assert.deepEqual(page.statuses, statuses);
  });

  test(`${transport}: stream left at once does not delay the live status`, async () => {
    const { client, server } = await live(transport, {
      onEvent({ stream }) {
        if (stream === "export-2") client.unsubscribe([stream]);
      },
    });
    server.append("export-2", "x", "y");

    client.stop();
    client.subscribe({ "export-2": null });
    client.start();
    await server.pass(10_000);

    assert.deepEqual([client.status, client.transport], ["live", transport]);
    assert.deepEqual(Object.keys(client.cursors), ["user-1"]);
  });

  test(`${transport}: client stopped during a request stays stopped`, async () => {
    const { client, page, server } = await live(transport);
    server.network.polling = "hold";
    client.subscribe({ "user-1": null });
    await server.pass(1000);

    client.stop();
    await server.pass(600_000);

    assert.equal(page.statuses.at(-1), "stopped");
  });

  test(`${transport}: handler may stop the client within a response`, async () => {
    const seen = [];
    const { client, server } = await live(transport, {
      onEvent({ data }) {
        seen.push(data.text);
        if (data.text === "c") client.stop();
      },
    });

    server.append("user-1", "c", "d");
    await server.pass(10_000);

    assert.deepEqual(seen, ["a", "b", "c"]);
    assert.equal(server.connections.size, 0);
  });

  for (const status of [401, 403]) {
    test(`${transport}: response ${status} stops the client with "signed-out"`, async () => {
      const { client, server } = await live(transport);

      server.overrides[`${API}user-1`] = server.overrides[`${API}user-1/sse`] = problem(status);
      server.cut();
      await server.pass(10_000);
      const requests = server.paths.length;
      await server.pass(600_000);

      assert.equal(client.status, "signed-out");
      assert.equal(server.paths.length, requests);
    });
  }

  for (const status of [404, 422]) {
    test(`${transport}: response ${status} refuses one stream, the other continues`, async () => {
      const { client, page, server } = await live(transport);
      const statuses = [...page.statuses];

      server.overrides[`${API}export-2`] = problem(status, "No.");
      client.subscribe({ "export-2": null });
      server.append("user-1", "c");
      await server.pass(10_000);

      assert.deepEqual(page.refused, [["export-2", "No."]]);
      assert.deepEqual(page.seen, ["a", "b", "c"]);
      assert.equal(client.transport, transport);
      assert.deepEqual(page.statuses, statuses);
      assert.equal(server.paths.filter((path) => path === `${API}export-2`).length, 1);
    });
  }

  test(`${transport}: proxy response does not sign the user out`, async () => {
    const { client, page, server } = await live(transport);

    server.overrides[`${API}user-1`] = () => new Response("<h1>Sign in to the network</h1>", { status: 401 });
    server.overrides[`${API}user-1/sse`] = server.overrides[`${API}user-1`];
    server.cut();
    await server.pass(10_000);
    const meanwhile = client.status;
    server.overrides = {};
    server.network = {};
    server.append("user-1", "c");
    await server.pass(120_000);

    assert.notEqual(meanwhile, "live");
    assert.equal(client.status, "live");
    assert.deepEqual(page.seen, ["a", "b", "c"]);
  });

  test(`${transport}: captive portal's page is not a response`, async () => {
    const { client, page, server } = await live(transport);

    const portal = () => new Response("<h1>Welcome</h1>", { headers: { "Content-Type": "text/html" } });
    server.overrides = { [`${API}user-1`]: portal, [`${API}user-1/sse`]: portal };
    server.cut();
    await server.pass(10_000);

    assert.notEqual(client.status, "live");
    assert.deepEqual(page.errors, []);
  });

  for (const [status, headers, shown] of [
    [429, {}, "busy"],
    [503, { "Content-Type": "application/problem+json" }, "busy"],
    [503, {}, "lost"], // The response is not from our server.
  ]) {
    test(`${transport}: response ${status} (${shown}) causes a wait of 10 s or more`, async () => {
      const { client, waits } = await answered(transport, status, headers);

      assert.equal(waits[0], 18_000);
      assert.equal(client.status, shown);
    });
  }

  test(`${transport}: waits double after other server errors`, async () => {
    const { waits } = await answered(transport, 500);

    const [first, second] = waits;
    assert.ok(first <= 1000 && second >= 2 * first && second <= 2 * first + STEP_MS, `${waits}`);
  });
}

// Returns the waits between attempts while all responses have this status.
async function answered(transport, status, headers = {}) {
  const { client, server } = await live(transport, { env: { random: () => 1 } });
  const times = [];
  server.overrides[`${API}user-1`] = server.overrides[`${API}user-1/sse`] = () => {
    times.push(server.clock.now());
    return new Response("", { status, headers });
  };
  server.cut();
  await server.pass(60_000);
  return { client, waits: times.slice(1).map((time, index) => time - times[index]) };
}
