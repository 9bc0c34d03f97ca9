// Brings the bell to life: its count, the latest notifications in its panel, and a word of
// each that comes. Without it the panel shows what there was when the page was made, and its
// form marks that as read.

import { claim, claimDelay } from "./claim.js";
import { parse } from "../client/cursor.js";
import { Desktop } from "./desktop.js";
import { follow } from "../tabs/follow.js";
import { contentOf, replace } from "../lib/fragment.js";
import { locale } from "../lib/locale.js";
import { isRecent } from "./stack.js";
import { Toasts } from "./toasts.js";
import { KEY, Unread, ago, badge } from "./unread.js";

// As often "a minute ago" is said anew.
const TIMES_MS = 60_000;

export function attach(bell) {
  const panel = bell.querySelector("[data-panel]");
  const marker = bell.querySelector("[data-unread]");
  const announcer = bell.querySelector("[data-announcer]");
  const toasts = new Toasts(bell.querySelector("[data-toasts]"), bell.querySelector("button"));
  const desktop = new Desktop({ user: bell.dataset.user });
  const unread = new Unread(stateOf(panel), JSON.parse(bell.dataset.types));

  let isStale = false; // The panel does not show all that is known to have happened.
  let refreshing = null;

  function stateOf(element) {
    return JSON.parse(element.querySelector("[data-state]").dataset.state);
  }

  function show() {
    marker.hidden = unread.count === 0;
    marker.querySelector("[data-count]").textContent = badge(unread.count);
    toasts.read(unread.state.read_offset);
  }

  function updateTimes() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const date = new Date(time.dateTime);
      time.textContent = ago(date, new Date(), locale());
      time.title = date.toLocaleString(locale());
    }
  }

  // The list is the server's: what a notification says, it knows in the reader's language. One
  // request at a time, and another for all that has changed meanwhile.
  function refresh() {
    isStale = true;
    refreshing ??= load();
    return refreshing;
  }

  async function load() {
    try {
      while (isStale) {
        isStale = false;
        const html = await fetchPanel();
        isStale ||= html === null; // The next opening asks again.
        if (html === null) return;
        fill(html);
      }
    } finally {
      refreshing = null; // At once: who comes now must not wait for what has been.
    }
  }

  async function fetchPanel() {
    try {
      const response = await fetch(bell.dataset.latest, { redirect: "manual" });
      return response.ok ? await response.text() : null;
    } catch {
      return null; // Nobody is there.
    }
  }

  function fill(html) {
    replace(panel.firstElementChild, contentOf(html).firstElementChild);
    unread.update(stateOf(panel));
    show();
    updateTimes();
  }

  // -- telling of one that comes -----------------------------------------------------------

  // Of all tabs one tells, and nobody is told of what happened long ago.
  async function announce({ stream, offset, at, cursor }) {
    if (!canShow() || !happenedRecently(at)) return;
    await new Promise((resolve) => setTimeout(resolve, claimDelay(visibility())));
    const name = `${stream} ${parse(cursor).epoch} ${offset}`;
    if (!canShow() || !(await claim(name, { locks: navigator.locks, setTimeout }))) return;
    await refresh();
    if (stateOf(panel).head < offset) return; // Nobody was there to say what it is.
    if (!happenedRecently(at)) return;
    const entry = panel.querySelector(`li[data-offset="${offset}"]`);
    if (!entry) toasts.miss();
    else if (entry.matches(".unread")) (document.hidden ? showOnDesktop : showInPage)(entry, name);
  }

  // As far as the panel knows what time it is.
  function happenedRecently(at) {
    return isRecent(at, panel.querySelector("[data-now]").dataset.now);
  }

  function visibility() {
    return { isHidden: document.hidden, hasFocus: document.hasFocus() };
  }

  function canShow() {
    return !document.hidden || desktop.state === "on";
  }

  function showInPage(entry) {
    const title = entry.querySelector("[data-title]");
    // A part of the page that follows the same thing shows what has become of it, and says it
    // to who hears the page. Once is enough. Who does not see that part may want to go there.
    const shown = document.querySelector(`[data-tells="${CSS.escape(pathOf(title))}"]`);
    if (!shown) {
      announcer.textContent = announcer.dataset.new.replace("{title}", () => title.textContent);
    }
    const isSeen = shown && (pathOf(title) === location.pathname || isInView(shown));
    if (!isSeen && !panel.matches(":popover-open")) toasts.add(entry);
  }

  function showOnDesktop(entry, name) {
    if (desktop.state !== "on") return;
    const title = entry.querySelector("[data-title]");
    const body = entry.querySelector("[data-body]")?.innerText ?? "";
    const { lang } = document.documentElement;
    desktop.show({ name, title: title.textContent, body, lang }, () => {
      focus();
      markRead(formOf(entry));
      if (title.href) location.assign(title.href);
    });
  }

  // "" for one that leads nowhere, which no part of a page shows.
  function pathOf(title) {
    return title.getAttribute("href") ?? "";
  }

  function isInView(element) {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }

  // -- reading -----------------------------------------------------------------------------

  // The stream says what came of it, here and in all other tabs. Whether it was refused is
  // the answer; who was not reached has refused nothing.
  async function markRead(form) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    try {
      const { type } = await fetch(bell.dataset.read, {
        method: "POST",
        body: form,
        headers: { "X-CSRFToken": token },
        redirect: "manual",
        keepalive: true, // A link that was followed takes this page away.
      });
      return type !== "opaqueredirect";
    } catch {
      return false;
    }
  }

  panel.addEventListener("toggle", ({ newState }) => {
    if (newState === "open" && isStale) refresh();
    updateTimes();
  });

  // What was followed has been noticed, and so have those before it.
  function formOf(entry) {
    const form = new FormData();
    form.set("up_to", entry.dataset.offset);
    return form;
  }

  // In the panel, in a toast, or on the page of the inbox.
  document.addEventListener("click", ({ target }) => {
    const entry = target.closest("a")?.closest("li.unread");
    if (entry) markRead(formOf(entry));
  });

  panel.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { target } = event;
    if (await markRead(new FormData(target))) target.submit(); // The page that comes says why.
  });

  updateTimes();
  setInterval(() => document.hidden || updateTimes(), TIMES_MS);
  document.addEventListener("visibilitychange", () => document.hidden || updateTimes());
  follow({
    url: bell.dataset.socket,
    api: bell.dataset.api,
    user: bell.dataset.user,
    streams: JSON.parse(bell.dataset.cursors),
    onState({ key, data }) {
      if (key !== KEY) return;
      unread.update(data);
      show();
      isStale = true;
      if (panel.matches(":popover-open")) refresh();
    },
    onEvent(frame) {
      // The server may have counted it already, for another that came before.
      if (unread.take(frame)) {
        show();
        isStale = true;
        // A tab that nobody looks at asks when it is opened.
        if (panel.matches(":popover-open")) refresh();
      }
      if (unread.isNotification(frame)) announce(frame);
    },
    // Everything that is kept follows. The server has counted it already.
    onReset() {
      unread.forget();
      refresh();
    },
  });
}
