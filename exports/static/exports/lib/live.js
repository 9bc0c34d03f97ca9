// Follows the streams of a page, and shows its notices about the connection.

import { follow as followStreams } from "../../notifications/tabs/follow.js";
import { settle } from "../../notifications/lib/settle.js";

// `page` is the element with the streams and URLs in its data. Its children are the notices. The
// handlers are those of notifications/tabs/follow.js. onStatus gets only the statuses that are shown.
export function follow(page, { onStatus = () => {}, ...handlers }) {
  followStreams({
    url: page.dataset.socket,
    api: page.dataset.api,
    user: page.dataset.user,
    streams: JSON.parse(page.dataset.streams),
    onStatus: settle((status) => {
      for (const notice of page.children) {
        notice.hidden = !notice.dataset.when.split(" ").includes(status);
      }
      if (status === "signed-out") disableButtons();
      onStatus(status);
    }),
    ...handlers,
  });
}

// After the user was signed out, each form would lead to the sign-in page and lose its input. So its
// buttons are disabled until the page is reloaded.
function disableButtons() {
  for (const button of document.querySelectorAll("main button:not([type=button])")) button.disabled = true;
}
