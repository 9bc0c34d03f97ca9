// Brings the dashboard and the page of an export to life. Both work without it.

import { Cards } from "./cards.js";
import { belongs, isFinal, milestone } from "./fold.js";
import { fill, percent, title, values } from "./format.js";
import { animate, fetchFragment, replace } from "./fragment.js";
import { follow } from "./live.js";
import { Log } from "./log.js";
import { localise } from "./times.js";

// Nobody tells a waiting export that the ones before it are gone.
const QUEUE_MS = 10_000;
// How often it is looked whether somebody has fallen silent.
const TICK_MS = 1000;

const page = document.querySelector("[data-streams]");
const live = document.querySelector("[data-list=live]");
const history = document.querySelector("[data-list=history]");
const announcer = document.querySelector("[data-announcer]");
const logRoot = document.querySelector("[data-log]");
const baseTitle = document.title;
const madeAt = Date.parse(page.dataset.madeAt);

localise(document);
const log = logRoot && new Log(logRoot);
const cards = new Cards({
  elements: document.querySelectorAll("[data-export]"),
  fetchFragment,
  place,
  changed,
});
showTitle();

function place(element, snapshot, old) {
  const list = (isFinal(snapshot) && history) || live;
  if (!old) {
    animate(() => list.prepend(element), element);
  } else if (!list || old.parentElement === list) {
    replace(old, element);
  } else {
    animate(() => replace(old, element, () => move(old, element, list)), element, old);
  }
}

// Into another list, and nothing else moves: the room that it leaves stays until nobody looks.
function move(old, element, list) {
  const [from, to] = [live, list].map((each) => each.closest("section"));
  const room = height(from) + height(to);
  old.remove();
  list.prepend(element);
  if (!document.hidden) from.style.minBlockSize = `${room - height(to)}px`;
}

function changed(before, snapshot) {
  showTitle();
  const name = before ? milestone(before, snapshot, percent) : snapshot.status;
  const sentence = announcer.dataset[name];
  if (sentence) announcer.textContent = fill(sentence, values(snapshot));
}

function showTitle() {
  document.title = title(baseTitle, cards.snapshots);
}

function height(element) {
  return element.getBoundingClientRect().height;
}

follow(page, {
  onState({ key, data }) {
    if (!key.startsWith("export-")) return; // A user's stream has other values, too.
    if (cards.has(data.id) || (live && belongs(data, madeAt))) cards.update(data);
  },
  onEvent(frame) {
    if (frame.event === "log") log?.append(frame);
  },
  onReset({ reason }) {
    if (reason === "epoch") cards.forget();
    log?.clear();
  },
  onStatus(status) {
    cards.hears = status === "live";
  },
});

// Nobody looks, so what was held for a card that moved can go.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) live?.closest("section").removeAttribute("style");
});

document.addEventListener("click", async ({ target }) => {
  const { copy, done } = target.dataset;
  if (copy === undefined) return;
  try {
    await navigator.clipboard.writeText(copy);
    target.textContent = done;
  } catch {
    // Not over plain HTTP. Then it is selected, to be copied by hand.
    getSelection().selectAllChildren(target.previousElementSibling);
  }
});

setInterval(() => {
  if (document.hidden) return;
  for (const { id, status } of cards.snapshots) if (status === "queued") cards.refresh(id);
}, QUEUE_MS);

setInterval(() => document.hidden || cards.tick(), TICK_MS);
