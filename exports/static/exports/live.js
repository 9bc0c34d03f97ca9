// Follows the streams that a page names, for as long as somebody may look at it.

import { settle } from "../notifications/settle.js";
import { StreamClient } from "../notifications/stream.js";

// `page` is the element with the streams and the address of the socket, and around the
// notices about the connection. `handlers` are StreamClient's: onState, onEvent, onReset.
export function follow(page, handlers) {
  const client = new StreamClient({
    url: new URL(page.dataset.socket, location.href.replace(/^http/, "ws")).href,
    subscriptions: JSON.parse(page.dataset.streams),
    onStatus: settle((status) => {
      for (const notice of page.children) {
        notice.hidden = !notice.dataset.when.split(" ").includes(status);
      }
    }),
    async isSignedIn() {
      const response = await fetch(location.href, { method: "HEAD", redirect: "manual" });
      return response.type !== "opaqueredirect";
    },
    ...handlers,
  });
  client.start();

  addEventListener("online", () => client.wake());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) client.wake();
  });
  // A page with an open socket is not kept for the back button.
  addEventListener("pagehide", () => client.stop());
  addEventListener("pageshow", (event) => {
    if (event.persisted) client.start();
  });
}
