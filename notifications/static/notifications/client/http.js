// One stream asked for over plain HTTP: what the transports without a WebSocket share.

// The answer is not the stream. `reason` is one that a transport ends with (socket.js), or
// "no-stream": then only this stream is not to be had, and `detail` has the server's words.
export class StreamError extends Error {
  constructor(reason, detail = "") {
    super(detail || reason);
    this.reason = reason;
    this.detail = detail;
  }
}

// What follows `after`, a page of it: its frames, whether there are `more`, and `cursor`,
// which is where it ends. There is none after a reset, which is then the first frame.
export async function readPage(env, url, { stream, after, signal }) {
  const response = await fetchStream(env, url + stream, { after, signal, type: "application/json" });
  const { frames, cursor, reset, more } = await response.json();
  if (!reset) return { frames, cursor, more };
  return { frames: [{ type: "reset", stream, reason: reset }, ...frames], cursor: null, more };
}

// Ask `url` for what follows the cursor `after`; the answer has the content type `type`.
// Throws StreamError. What is thrown after `signal` was aborted is of no interest.
export async function fetchStream(env, url, { after, signal, type }) {
  const address = new URL(url);
  if (after !== null) address.searchParams.set("after", after);
  let response;
  try {
    response = await env.fetch(address.href, { cache: "no-store", signal });
  } catch {
    throw new StreamError("failed");
  }
  if (!response.ok) throw await reasonOf(response);
  if (!isOf(type, response)) throw new StreamError("blocked");
  return response;
}

// What a transport ends with after `error`. One that has worked cannot have been blocked.
export function endReason(error, hasWorked) {
  const reason = error instanceof StreamError ? error.reason : "failed";
  return hasWorked && (reason === "failed" || reason === "blocked") ? "lost" : reason;
}

// Only a problem (RFC 9457) is the server's own word. Anything else may be from whoever is
// between, and they have no say in who is signed in.
async function reasonOf(response) {
  const { status } = response;
  if (isOf("application/problem+json", response)) {
    if (status === 401 || status === 403) return new StreamError("signed-out");
    if (status === 404 || status === 422) {
      const { detail } = await response.json();
      return new StreamError("no-stream", detail);
    }
    if (status === 503) return new StreamError("full");
  }
  if (status === 429) return new StreamError("full");
  if (status === 503) return new StreamError("later");
  return new StreamError(status >= 500 ? "failed" : "blocked");
}

function isOf(type, response) {
  return response.headers.get("Content-Type")?.startsWith(type) ?? false;
}
