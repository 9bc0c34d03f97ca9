// Keeps the page of one export in the admin up to date. Without it, a reload does.

import { replace } from "../../notifications/lib/fragment.js";
import { Cards } from "../lib/cards.js";
import { isFinal, milestone } from "../lib/fold.js";
import { fill, percent, title, values } from "../lib/format.js";
import { fetchContent } from "../lib/fragment.js";
import { follow } from "../lib/live.js";

// What is below the panel (parts, workers, leases) is asked for again this often, while
// somebody looks and there is news.
const REST_MS = 5_000;

export function attach(panel) {
  const announcer = document.querySelector("[data-sentences]");
  const baseTitle = document.title;
  let restVersion = JSON.parse(panel.dataset.snapshot).version;

  const cards = new Cards({
    elements: [panel],
    fetchFragment: fetchPanel,
    place: (element, snapshot, old) => replace(old, element),
    changed,
  });
  showTitle();

  // The page itself, as the server makes it now, has the words of the panel and all the rest.
  async function fetchPanel(url) {
    const content = await fetchContent(url);
    const fresh = content?.querySelector(".waybill-panel");
    if (!fresh) return null;
    const snapshot = JSON.parse(fresh.dataset.snapshot);
    restVersion = snapshot.version;
    showRest(content.querySelectorAll("[data-rest]"), snapshot);
    return fresh;
  }

  function showRest(fresh, snapshot) {
    document.querySelectorAll("[data-rest]").forEach((old, index) => {
      // Somebody copies the name of a worker: there is a next time, until the last.
      const isHeld = getSelection().containsNode(old, true) && !getSelection().isCollapsed;
      if (isFinal(snapshot) || !isHeld) replace(old, fresh[index]);
    });
  }

  function changed(before, snapshot) {
    showTitle();
    const sentence = announcer.dataset[milestone(before, snapshot, percent)];
    if (sentence) announcer.textContent = fill(sentence, values(snapshot));
  }

  function showTitle() {
    const said = title(baseTitle, cards.snapshots);
    if (document.title !== said) document.title = said;
  }

  follow(document.querySelector("[data-streams]"), {
    onState: ({ data }) => cards.update(data),
    onReset({ reason }) {
      if (reason === "epoch") cards.forget();
    },
  });

  setInterval(() => {
    if (document.hidden) return;
    for (const { id, version } of cards.snapshots) if (version !== restVersion) cards.refresh(id);
  }, REST_MS);
}
