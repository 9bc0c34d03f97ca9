// Brings the dashboard and the page of an export to life. Both work without it.

import { replace } from "../../notifications/lib/fragment.js";
import { Cards } from "../lib/cards.js";
import { belongs, isFinal, milestone } from "../lib/fold.js";
import { fill, percent, values } from "../lib/format.js";
import { animate, fetchFragment } from "../lib/fragment.js";
import { follow } from "../lib/live.js";
import { Log } from "../log/log.js";
import { Rest } from "./rest.js";
import { address, headline, icon, isNews } from "./sign.js";

// beat publishes new positions of the first 100 queued exports only: exports/schedule.py.
const QUEUE_MS = 10_000;
// How often it is looked whether somebody has fallen silent.
const TICK_MS = 1000;
// Of many bars that move, the tab tells once.
const SIGN_MS = 100;

export function attach(page) {
  const live = document.querySelector("[data-list=live]");
  const history = document.querySelector("[data-list=history]");
  const tidier = document.querySelector("[data-tidy]");
  const announcer = document.querySelector("[data-sentences]");
  const logRoot = document.querySelector("[data-log]");
  const sign = document.querySelector("link[rel=icon]");
  const plain = { title: document.title, icon: sign.href };
  const { titleSucceeded: succeeded, titleFailed: failed, titleSeveral: several } = announcer.dataset;
  const headlines = { succeeded, failed, several };
  const madeAt = Date.parse(page.dataset.madeAt);
  const ended = []; // Cards that are not in the history yet.

  let news = []; // What has ended while nobody looked, in its order.
  let shownIcon = "plain";
  let signTimer = null;

  const log = logRoot && new Log(logRoot);
  const rest = new Rest();
  const elements = document.querySelectorAll("[data-export]");
  for (const element of elements) rest.watch(element);
  const cards = new Cards({
    elements,
    fetchFragment,
    place,
    changed,
  });
  showSign();

  function place(element, snapshot, old) {
    const hasEnded = isFinal(snapshot) && history;
    rest.watch(element);
    if (!old) return animate(() => (hasEnded ? history : live).prepend(element), element);
    const { height } = old.getBoundingClientRect();
    replace(old, element);
    if (!hasEnded) return;
    // A bar becomes a link where it is, with the same room: nothing moves away from under a
    // pointer that is about to click.
    element.style.minBlockSize = `${height}px`;
    ended.push(element);
    showTidier();
    if (document.hidden) tidy();
  }

  // Nobody looks, or somebody asks for it: what has ended goes where a reload would put it.
  function tidy() {
    for (const element of ended.splice(0)) {
      history.prepend(element);
      element.removeAttribute("style");
    }
    showTidier();
  }

  function showTidier() {
    if (!tidier) return;
    tidier.hidden = ended.length === 0;
    tidier.textContent = fill(tidier.dataset.tidy, { count: ended.length });
  }

  tidier?.addEventListener("click", ({ detail }) => {
    tidy();
    // The button is gone. Only who came by keyboard is taken along.
    document.getElementById("history").focus({ preventScroll: detail > 0 });
  });

  function changed(before, snapshot) {
    if (document.hidden && isNews(before, snapshot)) news.push(snapshot);
    signTimer ??= setTimeout(showSign, SIGN_MS);
    const name = before ? milestone(before, snapshot, percent) : snapshot.status;
    const sentence = announcer.dataset[name];
    if (sentence) announcer.textContent = fill(sentence, values(snapshot));
  }

  // Only what is different is touched: browsers draw the tab anew each time.
  function showSign() {
    clearTimeout(signTimer);
    signTimer = null;
    const said = headline(plain.title, cards.snapshots, news, headlines);
    if (document.title !== said) document.title = said;
    const name = icon(cards.snapshots, news);
    if (name !== shownIcon) sign.href = address(name, plain.icon);
    shownIcon = name;
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

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) tidy();
    news = [];
    showSign();
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
}
