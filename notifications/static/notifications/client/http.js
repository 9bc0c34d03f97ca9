// Requests for a stream over plain HTTP, which the transports without a WebSocket share.

// The response is not a stream. `reason` is a reason for which a transport ends (see socket.js), or
// "no-stream": then the server refuses only this stream, and `detail` has its message.
export class StreamError extends Error {
  constructor(reason, detail = "") {
    super(detail || reason);
    this.reason = reason;
    this.detail = detail;
  }
}

// Reads one page after the cursor `after`. Returns its frames, whether `more` follow, and the
// cursor at its end. If the stream was reset, the first frame is the reset and the cursor is null.
export async function readPage(env, url, { stream, after, signal }) {
  const options = { after, signal, type: "application/json" };
  const response = await fetchStream(env, url + stream, options);
  const { frames, cursor, reset, more } = await response.json();
  if (!reset) return { frames, cursor, more };
  return { frames: [{ type: "reset", stream, reason: reset }, ...frames], cursor: null, more };
}

// Requests `url` from the cursor `after`, and returns a response of the content type `type`. Throws
// StreamError. Callers ignore all errors after `signal` was aborted.
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
  if (!hasType(response, type)) throw new StreamError("blocked");
  return response;
}

// Returns the reason for which a transport ends after `error`. A transport that has worked before
// is lost, and neither blocked nor failed.
export function endReason(error, hasWorked) {
  const reason = error instanceof StreamError ? error.reason : "failed";
  return hasWorked && (reason === "failed" || reason === "blocked") ? "lost" : reason;
}

// Only a problem (RFC 9457) certainly comes from our server. Any other response may come from a
// proxy, which cannot know whether the user is signed in.
async function reasonOf(response) {
  const { status } = response;
  if (hasType(response, "application/problem+json")) {
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

function hasType(response, type) {
  return response.headers.get("Content-Type")?.startsWith(type) ?? false;
}
