// The parts of the form in which an export is chosen that need no page.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Latest } from "../../exports/static/exports/latest.js";
import { placeAt } from "../../exports/static/exports/order.js";

test("something is put before the first item whose middle is below it", () => {
  const middles = [10, 30, 50];

  assert.deepEqual([0, 9, 10, 31, 50, 99].map((y) => placeAt(middles, y)), [0, 0, 1, 2, 3, 3]);
  assert.equal(placeAt([], 5), 0);
});

function question() {
  const asked = [];
  const shown = [];
  const latest = new Latest({
    ask: (signal) => new Promise((answer) => asked.push({ signal, answer })),
    show: (html) => shown.push(html),
    pauseMs: 400,
  });
  return { asked, shown, latest };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("who changes much in a while asks once", (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { asked, latest } = question();

  for (let change = 0; change < 5; change += 1) {
    latest.want();
    mock.timers.tick(399);
  }
  assert.equal(asked.length, 0);
  mock.timers.tick(1);

  assert.equal(asked.length, 1);
});

test("an answer that has become old is not shown", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { asked, shown, latest } = question();

  latest.want();
  mock.timers.tick(400);
  latest.want();
  assert.ok(asked[0].signal.aborted);
  mock.timers.tick(400);
  asked[1].answer("new");
  await settled();
  asked[0].answer("old");
  await settled();

  assert.deepEqual(shown, ["new"]);
});

test("that there is no answer is shown as well, if it is to what was wanted last", async (t) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const { asked, shown, latest } = question();

  for (let question = 0; question < 3; question += 1) {
    latest.want();
    mock.timers.tick(400);
  }
  for (const { answer } of asked) answer(null);
  await settled();

  assert.deepEqual(shown, [null]);
});
