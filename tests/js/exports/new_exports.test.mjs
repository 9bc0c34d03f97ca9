// What a list says of exports that it does not show.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { countUnseen, attach } from "../../../exports/static/exports/admin/new_exports.js";

test("exports that were seen are not counted", () => {
  assert.equal(countUnseen([], new Set()), 0);
  assert.equal(countUnseen(["a", "b"], new Set(["a"])), 1);
  assert.equal(countUnseen(["a", "b"], new Set(["a", "b", "c"])), 0);
});

// A page that shows the export "b", and a server that has `answer`.
function open(answer) {
  const span = { textContent: "" };
  const news = { url: "/news/1/", seen: ["a"] };
  const notice = {
    dataset: { news: JSON.stringify(news), text: "New exports: {count}." },
    hidden: true,
    querySelector: () => span,
  };
  const asked = [];
  const wakes = [];
  globalThis.document = {
    hidden: false,
    querySelectorAll: () => [{ dataset: { export: "b" } }],
    addEventListener: (_, told) => wakes.push(told),
  };
  globalThis.fetch = async (url) => {
    asked.push(url);
    return answer();
  };
  attach(notice);
  return { notice, span, asked, look: () => wakes[0]() };
}

const ids = (...found) => ({ ok: true, json: async () => ({ ids: found }) });

test("notice counts new exports and disappears without any", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let found = ids("a", "b", "c", "d");
  const { notice, span, asked, look } = open(() => found);

  await look();
  assert.deepEqual([notice.hidden, span.textContent], [false, "New exports: 2."]);
  found = ids("b");
  await look();
  assert.equal(notice.hidden, true);
  mock.timers.tick(10_000);
  assert.deepEqual(asked, Array(3).fill("/news/1/"));
  mock.timers.reset();
});

test("hidden page sends no request, and failures are repeated", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  let answer = () => {
    throw new Error("not reached");
  };
  const { notice, asked, look } = open(() => answer());

  document.hidden = true;
  await look();
  assert.deepEqual(asked, []);
  document.hidden = false;
  await look();
  answer = () => ({ ok: false });
  await look();
  assert.equal(notice.hidden, true);
  answer = () => ids("c");
  await look();
  assert.equal(notice.hidden, false);
  mock.timers.reset();
});
