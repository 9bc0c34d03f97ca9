// What the parts of a page call to follow streams.
//
//   const following = follow({
//     url: "/ws/streams/",
//     api: "/api/v1/streams/",        // "" if there is none: only the WebSocket is tried
//     user: "42",                     // who is signed in: nobody else gets their frames
//     streams: { "user-42": cursor }, // null: everything that is kept. Not "latest"
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},              // forget what you hold of frame.stream
//     onRefused(stream, detail) {},   // it will not be sent; the others go on
//     onStatus(status) {},            // as StreamClient's; "refused" also if no stream is left
//   });
//   following.stop();
//
// All parts of all pages of a user share one connection. A page that is left, slept or lost
// its network needs nothing more: that is seen to here. Nothing is said before follow() has
// returned.

import { parse } from "../client/cursor.js";
import { RouterPool } from "./pool.js";
import { Router } from "./router.js";
import { isSignedIn } from "../lib/session.js";
import { SharedRouter } from "./shared.js";
import { defaultApi } from "../client/stream.js";

const routers = new Map(); // by user and address

export function follow({ url, api, user, streams, ...handlers }) {
  for (const cursor of Object.values(streams)) check(cursor);
  const router = routerFor(user, addresses(url, api));
  const stopped = new AbortController();
  let cursors = streams;
  let following = null;

  function begin() {
    if (stopped.signal.aborted) return;
    following ??= router.join({ streams: cursors, page: location.href }, handlers);
  }

  function end() {
    if (!following) return;
    cursors = following.cursors;
    following.leave();
    following = null;
  }

  function listen(target, name, handler) {
    target.addEventListener(name, handler, { signal: stopped.signal });
  }

  const wake = () => router.wake();
  listen(globalThis, "online", wake);
  listen(document, "visibilitychange", () => document.hidden || wake());
  listen(document, "resume", wake); // It was frozen.
  // A page with an open connection is not kept for the back button.
  listen(globalThis, "pagehide", end);
  listen(globalThis, "pageshow", ({ persisted }) => persisted && begin());
  queueMicrotask(begin);

  return {
    stop() {
      stopped.abort();
      end();
    },
    wake,
    // Where each stream stands: what a later follower would resume from.
    get cursors() {
      return following?.cursors ?? cursors;
    },
  };
}

// Those who share a connection must know where each stands, and "latest" does not say.
function check(cursor) {
  if (cursor === null || parse(cursor)) return;
  throw new TypeError(`"${cursor}" is not a cursor. Use one that the server sent, or null.`);
}

// Whole, since a worker has another location; and the same for those that leave out `api` and
// those that say where it usually is, since they share a connection.
function addresses(url, api) {
  const socket = new URL(url, location.href.replace(/^http/, "ws")).href;
  if (api === "") return { url: socket, api: null };
  return { url: socket, api: api ? new URL(api, location.href).href : defaultApi(socket) };
}

function routerFor(user, { url, api }) {
  const name = JSON.stringify([user, url, api]);
  if (!routers.has(name)) {
    const fallBack = () => new RouterPool(() => new Router({ url, api, isSignedIn }));
    routers.set(name, new SharedRouter({ url, api, user, fallBack }));
  }
  return routers.get(name);
}
