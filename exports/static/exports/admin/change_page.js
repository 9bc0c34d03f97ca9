// Keeps the admin's page of one export up to date. Without this script, the user reloads the page.

import { replace } from "../../notifications/lib/fragment.js";
import { Cards } from "../lib/cards.js";
import { isFinal, milestone } from "../lib/fold.js";
import { fill, percent, title, values } from "../lib/format.js";
import { fetchContent } from "../lib/fragment.js";
import { follow } from "../lib/live.js";

// How often the details below the panel (parts, workers, leases) are fetched, if the page is
// visible and the export has changed.
const DETAILS_MS = 5_000;

export function attach(panel) {
  const announcer = document.querySelector("[data-announcements]");
  const baseTitle = document.title;
  let detailsVersion = JSON.parse(panel.dataset.snapshot).version;

  const cards = new Cards({
    elements: [panel],
    fetchFragment: fetchPanel,
    place: (element, snapshot, old) => replace(old, element),
    onChange,
  });
  showTitle();

  // The server has no fragment for the panel. The whole page has it, and the details, too.
  async function fetchPanel(url) {
    const content = await fetchContent(url);
    const fresh = content?.querySelector(".waybill-panel");
    if (!fresh) return null;
    const snapshot = JSON.parse(fresh.dataset.snapshot);
    detailsVersion = snapshot.version;
    replaceDetails(content.querySelectorAll("[data-details]"), snapshot);
    return fresh;
  }

  function replaceDetails(fresh, snapshot) {
    document.querySelectorAll("[data-details]").forEach((old, index) => {
      // A selection, such as a worker's name to copy, must survive. Only the last update of a
      // finished export replaces it.
      const isSelected = getSelection().containsNode(old, true) && !getSelection().isCollapsed;
      if (isFinal(snapshot) || !isSelected) replace(old, fresh[index]);
    });
  }

  function onChange(before, snapshot) {
    showTitle();
    const text = announcer.dataset[milestone(before, snapshot, percent)];
    if (text) announcer.textContent = fill(text, values(snapshot));
  }

  function showTitle() {
    const text = title(baseTitle, cards.snapshots);
    if (document.title !== text) document.title = text;
  }

  follow(document.querySelector("[data-streams]"), {
    onState: ({ data }) => cards.update(data),
    onReset({ reason }) {
      if (reason === "epoch") cards.forgetVersions();
    },
  });

  setInterval(() => {
    if (document.hidden) return;
    for (const { id, version } of cards.snapshots) if (version !== detailsVersion) cards.refresh(id);
  }, DETAILS_MS);
}
