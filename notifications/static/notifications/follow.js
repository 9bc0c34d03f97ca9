// What the parts of a page call to follow streams.
//
//   const following = follow({
//     url: "/ws/streams/",
//     user: "42",                     // who is signed in: nobody else gets their frames
//     streams: { "user-42": cursor }, // null: everything that is kept
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},              // forget what you hold of frame.stream
//     onRefused(stream, detail) {},   // it will not be sent; the others go on
//     onStatus(status) {},            // as StreamClient's
//   });
//   following.stop();
//
// A page that is left, slept or lost its network needs nothing more: that is seen to here.

import { isSignedIn } from "./session.js";
import { StreamClient } from "./stream.js";

export function follow({ url, streams, ...handlers }) {
  const client = new StreamClient({
    url: new URL(url, location.href.replace(/^http/, "ws")).href,
    subscriptions: streams,
    isSignedIn: () => isSignedIn(location.href),
    ...handlers,
  });
  const leaving = new AbortController();
  const listen = (target, name, told) =>
    target.addEventListener(name, told, { signal: leaving.signal });

  listen(globalThis, "online", () => client.wake());
  listen(document, "visibilitychange", () => document.hidden || client.wake());
  // A page with an open socket is not kept for the back button.
  listen(globalThis, "pagehide", () => client.stop());
  listen(globalThis, "pageshow", ({ persisted }) => persisted && client.start());
  client.start();

  return {
    stop() {
      leaving.abort();
      client.stop();
    },
    wake: () => client.wake(),
    // Where each stream stands: what a later follower would resume from.
    get cursors() {
      return client.cursors;
    },
  };
}
