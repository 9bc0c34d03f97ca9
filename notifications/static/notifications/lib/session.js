// Checks the session, because a browser does not report why a handshake was refused.

// `page` requires a sign-in and redirects other visitors. Throws if the answer is unknown, because
// the server was not reached or a proxy reports an error.
export async function isSignedIn(page) {
  const response = await fetch(page, { method: "HEAD", redirect: "manual" });
  if (response.status >= 500) throw new Error(`The server is not available: ${response.status}.`);
  return response.type !== "opaqueredirect";
}
