// The notice about new exports above the admin's list.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { attach, countUnseen } from "../../../exports/static/exports/admin/new_exports.js";

test("exports that were seen are not counted", () => {
  assert.equal(countUnseen([], new Set()), 0);
  assert.equal(countUnseen(["a", "b"], new Set(["a"])), 1);
  assert.equal(countUnseen(["a", "b"], new Set(["a", "b", "c"])), 0);
});

// Returns a page that lists the export "b", with a server that responds with `answer`.
function open(answer) {
  const span = { textContent: "" };
  const news = { url: "/news/1/", seen: ["a"] };
  const notice = {
    dataset: { news: JSON.stringify(news), text: "New exports: {count}." },
    hidden: true,
    querySelector: () => span,
  };
  const requests = [];
  const wakes = [];
  globalThis.document = {
    hidden: false,
    querySelectorAll: () => [{ dataset: { export: "b" } }],
    addEventListener: (_, handler) => wakes.push(handler),
  };
  globalThis.fetch = async (url) => {
    requests.push(url);
    return answer();
  };
  attach(notice);
  return { notice, span, requests, check: () => wakes[0]() };
}

const ids = (...found) => ({ ok: true, json: async () => ({ ids: found }) });

test("notice counts new exports and disappears without any", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let found = ids("a", "b", "c", "d");
  const { notice, span, requests, check } = open(() => found);

  await check();
  assert.deepEqual([notice.hidden, span.textContent], [false, "New exports: 2."]);
  found = ids("b");
  await check();
  assert.equal(notice.hidden, true);
  mock.timers.tick(10_000);
  assert.deepEqual(requests, Array(3).fill("/news/1/"));
  mock.timers.reset();
});

test("hidden page sends no request, and failures are repeated", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let answer = () => {
    throw new Error("not reached");
  };
  const { notice, requests, check } = open(() => answer());

  document.hidden = true;
  await check();
  assert.deepEqual(requests, []);
  document.hidden = false;
  await check();
  answer = () => ({ ok: false });
  await check();
  assert.equal(notice.hidden, true);
  answer = () => ids("c");
  await check();
  assert.equal(notice.hidden, false);
  mock.timers.reset();
});
