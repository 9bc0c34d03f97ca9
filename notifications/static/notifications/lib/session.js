// Whether the session goes on. A browser does not say why a handshake was refused.

// `page` is one that only people who are signed in may see: others are sent to sign in.
// Throws when nobody can say: the server is not reached, or whoever is before it says so.
export async function isSignedIn(page) {
  const response = await fetch(page, { method: "HEAD", redirect: "manual" });
  if (response.status >= 500) throw new Error(`The server is not there: ${response.status}.`);
  return response.type !== "opaqueredirect";
}
