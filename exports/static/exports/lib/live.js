// Follows the streams that a page names, and says when it cannot.

import { follow as followStreams } from "../../notifications/tabs/follow.js";
import { settle } from "../../notifications/lib/settle.js";

// `page` is the element with the streams and the address of the socket, and around the
// notices about the connection. `handlers` are onState, onEvent, onReset and, as it is shown,
// onStatus.
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
      if (status === "signed-out") rest();
      onStatus(status);
    }),
    ...handlers,
  });
}

// Whoever is signed out can press nothing: each button would lead to the login page, and what
// it was for would be forgotten. That is so until the page is loaded anew.
function rest() {
  for (const button of document.querySelectorAll("main button:not([type=button])")) button.disabled = true;
}
