import assert from "node:assert/strict";
import { test } from "node:test";

import { isSignedIn } from "../../../notifications/static/notifications/lib/session.js";

function answering(answer) {
  globalThis.fetch = async (page, options) => {
    assert.deepEqual([page, options], ["/exports/", { method: "HEAD", redirect: "manual" }]);
    return answer;
  };
}

test("redirect means signed out, and a page means signed in", async () => {
  answering({ type: "basic", status: 200 });
  const shown = await isSignedIn("/exports/");
  answering({ type: "opaqueredirect", status: 0 });
  const sent = await isSignedIn("/exports/");

  assert.deepEqual([shown, sent], [true, false]);
});

test("proxy error leaves the session unknown", async () => {
  answering({ type: "basic", status: 502 });

  await assert.rejects(isSignedIn("/exports/"));
});
