// Keeps the dashboard and the page of an export up to date. Without this script, the user reloads
// the page.

import { replace } from "../../notifications/lib/fragment.js";
import { Cards } from "../lib/cards.js";
import { belongsOnPage, isFinal, milestone } from "../lib/fold.js";
import { fill, percent, values } from "../lib/format.js";
import { animate, fetchFragment } from "../lib/fragment.js";
import { follow } from "../lib/live.js";
import { Log } from "../log/log.js";
import { PauseOffscreen } from "./pause_offscreen.js";
import { hasJustEnded, iconName, iconUrl, tabTitle } from "./tab_status.js";

// beat publishes new positions only of the first 100 queued exports (exports/schedule.py). Others
// are fetched this often.
const QUEUE_MS = 10_000;
// How often the page checks which workers have stopped reporting.
const TICK_MS = 1000;
// Changes of many exports within this time update the tab once.
const TAB_MS = 100;

export function attach(page) {
  const live = document.querySelector("[data-list=live]");
  const history = document.querySelector("[data-list=history]");
  const tidyButton = document.querySelector("[data-tidy]");
  const announcer = document.querySelector("[data-announcements]");
  const logRoot = document.querySelector("[data-log]");
  const tabIcon = document.querySelector("link[rel=icon]");
  const plain = { title: document.title, icon: tabIcon.href };
  const { titleSucceeded: succeeded, titleFailed: failed, titleSeveral: several } = announcer.dataset;
  const tabTexts = { succeeded, failed, several };
  const madeAt = Date.parse(page.dataset.madeAt);
  const ended = []; // Cards of exports that have ended and are not in the history yet.

  let unseen = []; // Snapshots of exports that have ended while the tab was hidden, oldest first.
  let shownIcon = "plain";
  let tabTimer = null;

  const log = logRoot && new Log(logRoot);
  const offscreen = new PauseOffscreen();
  const elements = document.querySelectorAll("[data-export]");
  for (const element of elements) offscreen.observe(element);
  const cards = new Cards({ elements, fetchFragment, place, onChange });
  updateTab();

  function place(element, snapshot, old) {
    const hasEnded = isFinal(snapshot) && history;
    offscreen.observe(element);
    if (!old) return animate(() => (hasEnded ? history : live).prepend(element), element);
    const { height } = old.getBoundingClientRect();
    replace(old, element);
    if (!hasEnded) return;
    // The card stays in its place with the same height, so that nothing moves under the pointer of
    // a user who is about to click.
    element.style.minBlockSize = `${height}px`;
    ended.push(element);
    showTidyButton();
    if (document.hidden) tidy();
  }

  // Moves ended exports to the history, when the user asks for it or does not see the page.
  function tidy() {
    for (const element of ended.splice(0)) {
      history.prepend(element);
      element.removeAttribute("style");
    }
    showTidyButton();
  }

  function showTidyButton() {
    if (!tidyButton) return;
    tidyButton.hidden = ended.length === 0;
    tidyButton.textContent = fill(tidyButton.dataset.tidy, { count: ended.length });
  }

  tidyButton?.addEventListener("click", ({ detail }) => {
    tidy();
    // The button is gone, so the focus moves to the history. The page scrolls there only for users
    // of a keyboard, whose clicks have the detail 0.
    document.getElementById("history").focus({ preventScroll: detail > 0 });
  });

  function onChange(before, snapshot) {
    if (document.hidden && hasJustEnded(before, snapshot)) unseen.push(snapshot);
    tabTimer ??= setTimeout(updateTab, TAB_MS);
    const name = before ? milestone(before, snapshot, percent) : snapshot.status;
    const text = announcer.dataset[name];
    if (text) announcer.textContent = fill(text, values(snapshot));
  }

  // Browsers redraw the tab at each assignment, so only differences are assigned.
  function updateTab() {
    clearTimeout(tabTimer);
    tabTimer = null;
    const title = tabTitle(plain.title, cards.snapshots, unseen, tabTexts);
    if (document.title !== title) document.title = title;
    const name = iconName(cards.snapshots, unseen);
    if (name !== shownIcon) tabIcon.href = iconUrl(name, plain.icon);
    shownIcon = name;
  }

  follow(page, {
    onState({ key, data }) {
      if (!key.startsWith("export-")) return; // A user's stream also has the state of the inbox.
      if (cards.has(data.id) || (live && belongsOnPage(data, madeAt))) cards.update(data);
    },
    onEvent(frame) {
      if (frame.event === "log") log?.append(frame);
    },
    onReset({ reason }) {
      if (reason === "epoch") cards.forgetVersions();
      log?.clear();
    },
    onStatus(status) {
      cards.isConnected = status === "live";
    },
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) tidy();
    unseen = [];
    updateTab();
  });

  document.addEventListener("click", async ({ target }) => {
    const { copy, done } = target.dataset;
    if (copy === undefined) return;
    try {
      await navigator.clipboard.writeText(copy);
      target.textContent = done;
    } catch {
      // Browsers have no clipboard over plain HTTP. The user can copy the selected text.
      getSelection().selectAllChildren(target.previousElementSibling);
    }
  });

  setInterval(() => {
    if (document.hidden) return;
    for (const { id, status } of cards.snapshots) if (status === "queued") cards.refresh(id);
  }, QUEUE_MS);

  setInterval(() => document.hidden || cards.tick(), TICK_MS);
}
