// Whether the session goes on. A browser does not say why a handshake was refused.

// `page` is one that only people who are signed in may see: others are sent to sign in.
export async function isSignedIn(page) {
  const response = await fetch(page, { method: "HEAD", redirect: "manual" });
  return response.type !== "opaqueredirect";
}
