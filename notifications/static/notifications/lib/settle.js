// Passes statuses on to `show`. A lost connection is passed on only if it lasts.
//
// Most lost connections are back within a second. A banner that flashes would only distract.

export const GRACE_MS = 1000;
const TRANSIENT = new Set(["connecting", "lost"]);

export function settle(show, { setTimeout, clearTimeout } = globalThis) {
  let timer = null;
  let shown = null;
  let latest = null;

  function pass() {
    timer = null;
    if (latest !== shown) show((shown = latest));
  }

  return (status) => {
    latest = status;
    if (!TRANSIENT.has(status) || TRANSIENT.has(shown)) {
      clearTimeout(timer);
      pass();
    } else {
      timer ??= setTimeout(pass, GRACE_MS);
    }
  };
}
