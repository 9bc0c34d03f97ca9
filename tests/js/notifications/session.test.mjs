import assert from "node:assert/strict";
import { test } from "node:test";

import { isSignedIn } from "../../../notifications/static/notifications/lib/session.js";

function answering(answer) {
  globalThis.fetch = async (page, options) => {
    assert.deepEqual([page, options], ["/exports/", { method: "HEAD", redirect: "manual" }]);
    return answer;
  };
}

test("a page that is shown is for somebody, one that sends elsewhere is for nobody", async () => {
  answering({ type: "basic", status: 200 });
  const shown = await isSignedIn("/exports/");
  answering({ type: "opaqueredirect", status: 0 });
  const sent = await isSignedIn("/exports/");

  assert.deepEqual([shown, sent], [true, false]);
});

test("a proxy without its server says nothing about the session", async () => {
  answering({ type: "basic", status: 502 });

  await assert.rejects(isSignedIn("/exports/"));
});
