// The function that the parts of a page call to follow streams.
//
//   const following = follow({
//     url: "/ws/streams/",
//     api: "/api/v1/streams/",        // "" if there is none: only the WebSocket is tried
//     user: "42",                     // the signed-in user; others get no frames
//     streams: { "user-42": cursor }, // null: everything that is stored. "latest" is not allowed
//     onEvent(frame) {}, onState(frame) {},
//     onReset(frame) {},              // discard your state of frame.stream
//     onRefused(stream, detail) {},   // the server refuses it; other streams go on
//     onStatus(status) {},            // as in StreamClient; "refused" also if no stream is left
//   });
//   following.stop();
//
// All parts of all pages of a user share one connection. This module handles pages that are left or
// come back, machines that sleep and networks that fail. No handler is called before follow() has
// returned.

import { parse } from "../client/cursor.js";
import { RouterPool } from "./pool.js";
import { Router } from "./router.js";
import { isSignedIn } from "../lib/session.js";
import { SharedRouter } from "./shared.js";
import { defaultApi } from "../client/stream.js";

const routers = new Map(); // By user and addresses.

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
  listen(document, "resume", wake); // The browser had frozen the page.
  // Browsers do not keep a page with an open connection in the back/forward cache.
  listen(globalThis, "pagehide", end);
  listen(globalThis, "pageshow", ({ persisted }) => persisted && begin());
  queueMicrotask(begin);

  return {
    stop() {
      stopped.abort();
      end();
    },
    wake,
    // The cursor of each stream, from which a later follower can resume.
    get cursors() {
      return following?.cursors ?? cursors;
    },
  };
}

// Followers of one connection are compared by their positions, and "latest" has none.
function check(cursor) {
  if (cursor === null || parse(cursor)) return;
  throw new TypeError(`"${cursor}" is not a valid cursor. Use one that the server sent, or null.`);
}

// Returns absolute URLs, because a worker has another location. A missing `api` becomes the default
// one, so that parts with and without it share a connection.
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
