// What server-sent events and polling have in common, each by itself.

import assert from "node:assert/strict";
import { test } from "node:test";

import { STEP_MS } from "./network.mjs";
import { API, NETWORKS, live, problem } from "./one_transport.mjs";

for (const transport of Object.keys(NETWORKS)) {
  test(`${transport}: from now on means from where now was`, async () => {
    const { page, server } = await live(transport, { subscriptions: { "user-1": "latest" } });

    server.append("user-1", "c");
    await server.pass(3000);

    assert.deepEqual(page.seen, ["c"]);
  });

  test(`${transport}: after a loss it resumes from where it was`, async () => {
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

  test(`${transport}: a cursor that means nothing is told first, and all comes again`, async () => {
    const { client, page, server } = await live(transport, { subscriptions: { "user-1": "old.9.9" } });

    const told = [...page.resets];
    server.forget();
    server.cut();
    server.append("user-1", "c");
    await server.pass(10_000);

    assert.deepEqual(told, ["user-1"]);
    assert.deepEqual(page.resets, ["user-1", "user-1"]);
    assert.deepEqual(page.seen, ["a", "b", "c"]);
    assert.deepEqual(client.cursors, { "user-1": server.cursor("user-1") });
  });

  test(`${transport}: subscribed to from an earlier cursor, a stream starts anew from it`, async () => {
    const { client, page, server } = await live(transport);

    client.subscribe({ "user-1": server.cursor("user-1", 1) });
    await server.pass(3000);

    assert.deepEqual(page.seen, ["a", "b", "b"]);
    assert.deepEqual(page.subscribed, ["user-1"]);
  });

  test(`${transport}: a cursor that is good is called so once on each connection`, async () => {
    const { client, page, server } = await live(transport);

    client.stop();
    client.start();
    await server.pass(30_000);

    assert.deepEqual(page.subscribed, ["user-1"]);
  });

  test(`${transport}: a stream that is left is neither heard nor asked for again`, async () => {
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

  test(`${transport}: without a stream it is live, too`, async () => {
    const { client, server } = await live(transport);
    client.unsubscribe(["user-1"]);

    client.stop();
    client.start();
    await server.pass(1000);

    assert.deepEqual([client.status, client.transport], ["live", transport]);
    assert.equal(server.paths.length, 0);
  });

  test(`${transport}: a client whose only stream is refused is live without it`, async () => {
    const { client, page, server } = await live(transport);
    server.instead[`${API}user-1`] = server.instead[`${API}user-1/sse`] = problem(404, "Gone.");

    client.stop();
    client.start();
    await server.pass(1000);

    assert.deepEqual(page.refused, [["user-1", "Gone."]]);
    assert.deepEqual([client.status, client.transport], ["live", transport]);
  });

  test(`${transport}: a handler may leave its stream in the middle of an answer`, async () => {
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

  test(`${transport}: a handler may leave its stream in the middle of a first answer`, async () => {
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

  test(`${transport}: a handler may ask for its stream from elsewhere in the middle`, async () => {
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

  test(`${transport}: a stream that a handler leaves at once does not keep the other from being live`, async () => {
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

  test(`${transport}: stopped while it waits for an answer, it stays stopped`, async () => {
    const { client, page, server } = await live(transport);
    server.network.polling = "hold";
    client.subscribe({ "user-1": null });
    await server.pass(1000);

    client.stop();
    await server.pass(600_000);

    assert.equal(page.statuses.at(-1), "stopped");
  });

  test(`${transport}: a handler may stop the client in the middle of an answer`, async () => {
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
    test(`${transport}: when the server says ${status}, it says "signed-out" and stops`, async () => {
      const { client, server } = await live(transport);

      server.instead[`${API}user-1`] = server.instead[`${API}user-1/sse`] = problem(status);
      server.cut();
      await server.pass(10_000);
      const asked = server.paths.length;
      await server.pass(600_000);

      assert.equal(client.status, "signed-out");
      assert.equal(server.paths.length, asked);
    });
  }

  for (const status of [404, 422]) {
    test(`${transport}: a stream that is answered with ${status} is refused, the other goes on`, async () => {
      const { client, page, server } = await live(transport);
      const statuses = [...page.statuses];

      server.instead[`${API}export-2`] = problem(status, "No.");
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

  test(`${transport}: what only stands between may not say that somebody is signed out`, async () => {
    const { client, page, server } = await live(transport);

    server.instead[`${API}user-1`] = () => new Response("<h1>Sign in to the network</h1>", { status: 401 });
    server.instead[`${API}user-1/sse`] = server.instead[`${API}user-1`];
    server.cut();
    await server.pass(10_000);
    const meanwhile = client.status;
    server.instead = {};
    server.network = {};
    server.append("user-1", "c");
    await server.pass(120_000);

    assert.notEqual(meanwhile, "live");
    assert.equal(client.status, "live");
    assert.deepEqual(page.seen, ["a", "b", "c"]);
  });

  test(`${transport}: a page that says welcome to the network is no answer`, async () => {
    const { client, page, server } = await live(transport);

    const portal = () => new Response("<h1>Welcome</h1>", { headers: { "Content-Type": "text/html" } });
    server.instead = { [`${API}user-1`]: portal, [`${API}user-1/sse`]: portal };
    server.cut();
    await server.pass(10_000);

    assert.notEqual(client.status, "live");
    assert.deepEqual(page.errors, []);
  });

  for (const [status, headers, shown] of [
    [429, {}, "busy"],
    [503, { "Content-Type": "application/problem+json" }, "busy"],
    [503, {}, "lost"], // Not our server's own word.
  ]) {
    test(`${transport}: after ${status} (${shown}) it waits ten seconds and more`, async () => {
      const { client, waits } = await answered(transport, status, headers);

      assert.equal(waits[0], 18_000);
      assert.equal(client.status, shown);
    });
  }

  test(`${transport}: after other faults of the server the waits double`, async () => {
    const { waits } = await answered(transport, 500);

    const [first, second] = waits;
    assert.ok(first <= 1000 && second >= 2 * first && second <= 2 * first + STEP_MS, `${waits}`);
  });
}

// The waits between attempts while all answers have this status.
async function answered(transport, status, headers = {}) {
  const { client, server } = await live(transport, { env: { random: () => 1 } });
  const times = [];
  server.instead[`${API}user-1`] = server.instead[`${API}user-1/sse`] = () => {
    times.push(server.clock.now());
    return new Response("", { status, headers });
  };
  server.cut();
  await server.pass(60_000);
  return { client, waits: times.slice(1).map((time, index) => time - times[index]) };
}
