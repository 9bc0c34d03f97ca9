// Follows the streams that a page names, and says when it cannot.

import { follow as followStreams } from "../notifications/follow.js";
import { settle } from "../notifications/settle.js";

// `page` is the element with the streams and the address of the socket, and around the
// notices about the connection. `handlers` are onState, onEvent and onReset.
export function follow(page, handlers) {
  followStreams({
    url: page.dataset.socket,
    user: page.dataset.user,
    streams: JSON.parse(page.dataset.streams),
    onStatus: settle((status) => {
      for (const notice of page.children) {
        notice.hidden = !notice.dataset.when.split(" ").includes(status);
      }
    }),
    ...handlers,
  });
}
