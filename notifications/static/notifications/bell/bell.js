// The bell: its count, the latest notifications in its panel, and the announcement of new ones.
// Without this script the panel shows the notifications of the time when the page was loaded, and
// its form marks them as read.

import { contentOf, replace } from "../lib/fragment.js";
import { locale } from "../lib/locale.js";
import { follow } from "../tabs/follow.js";
import { Announcer } from "./announcer.js";
import { Toasts } from "./toasts.js";
import { KEY, Unread, ago, badge } from "./unread.js";

// How often relative times such as "a minute ago" are updated.
const TIMES_MS = 60_000;

export function attach(bell) {
  const panel = bell.querySelector("[data-panel]");
  const marker = bell.querySelector("[data-unread]");
  const toasts = new Toasts(bell.querySelector("[data-toasts]"), bell.querySelector("button"));
  const unread = new Unread(stateOf(panel), JSON.parse(bell.dataset.types));
  const announcer = new Announcer({
    bell,
    panel,
    toasts,
    async refresh() {
      await refresh();
      return stateOf(panel).head;
    },
    markRead: (entry) => markRead(formOf(entry)),
  });

  let isStale = false; // Whether the panel lacks changes that this script knows of.
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

  // The server renders the list, because it has the texts in the reader's language. Only one
  // request runs at a time. If anything changes during it, another one follows.
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
        isStale ||= html === null; // The panel loads again the next time that it is opened.
        if (html === null) return;
        fill(html);
      }
    } finally {
      refreshing = null; // A later call must start a new request, and not await this one.
    }
  }

  async function fetchPanel() {
    try {
      const response = await fetch(bell.dataset.latest, { redirect: "manual" });
      return response.ok ? await response.text() : null;
    } catch {
      return null; // The server was not reached.
    }
  }

  function fill(html) {
    replace(panel.firstElementChild, contentOf(html).firstElementChild);
    unread.update(stateOf(panel));
    show();
    updateTimes();
  }

  // -- reading -----------------------------------------------------------------------------

  // Returns whether the server refused the request. If the server was not reached, that is false.
  // The stream brings the new state to this tab and all others.
  async function markRead(form) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    try {
      const { type } = await fetch(bell.dataset.read, {
        method: "POST",
        body: form,
        headers: { "X-CSRFToken": token },
        redirect: "manual",
        keepalive: true, // The request must survive if the user follows a link.
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

  // Following a link marks its notification and all earlier ones as read.
  function formOf(entry) {
    const form = new FormData();
    form.set("up_to", entry.dataset.offset);
    return form;
  }

  // The entry may be in the panel, in a toast, or on the inbox page.
  document.addEventListener("click", ({ target }) => {
    const entry = target.closest("a")?.closest("li.unread");
    if (entry) markRead(formOf(entry));
  });

  panel.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { target } = event;
    if (await markRead(new FormData(target))) target.submit(); // The page that loads says why.
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
      // False if the server's last count includes the event already.
      if (unread.take(frame)) {
        show();
        isStale = true;
        // A closed panel is loaded when it is opened.
        if (panel.matches(":popover-open")) refresh();
      }
      if (unread.isNotification(frame)) announcer.announce(frame);
    },
    // All stored events follow, and the server has counted them already.
    onReset() {
      unread.forget();
      refresh();
    },
  });
}
