// Brings the bell to life: its count, and the latest notifications in its panel. Without it
// the panel shows what there was when the page was made, and its form marks that as read.

import { follow } from "./follow.js";
import { KEY, Unread, ago, badge } from "./unread.js";

const bell = document.querySelector("[data-bell]");
if (bell) bringToLife(bell);

function bringToLife(bell) {
  const panel = bell.querySelector("[data-panel]");
  const marker = bell.querySelector("[data-unread]");
  const announcer = bell.querySelector("[data-announcer]");
  const unread = new Unread(stateOf(panel), JSON.parse(bell.dataset.types));

  let isStale = false; // The panel does not show all that is known to have happened.
  let refreshing = null;

  function stateOf(element) {
    return JSON.parse(element.querySelector("[data-state]").dataset.state);
  }

  function show() {
    marker.hidden = unread.count === 0;
    marker.querySelector("[data-count]").textContent = badge(unread.count);
  }

  function tellTimes() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const date = new Date(time.dateTime);
      time.textContent = ago(date);
      time.title = date.toLocaleString();
    }
  }

  // The list is the server's: what a notification says, it knows in the reader's language. One
  // request at a time, and another for all that has changed meanwhile.
  function refresh() {
    isStale = true;
    refreshing ??= ask().finally(() => (refreshing = null));
    return refreshing;
  }

  async function ask() {
    while (isStale) {
      isStale = false;
      const html = await latest();
      isStale ||= html === null; // The next opening asks again.
      if (html === null) return;
      fill(html);
    }
  }

  async function latest() {
    try {
      const response = await fetch(bell.dataset.latest, { redirect: "manual" });
      return response.ok ? await response.text() : null;
    } catch {
      return null; // Nobody is there.
    }
  }

  function fill(html) {
    const hadFocus = panel.contains(document.activeElement);
    panel.innerHTML = html;
    if (hadFocus) panel.querySelector("a, button")?.focus();
    unread.become(stateOf(panel));
    show();
    tellTimes();
  }

  async function announce() {
    await refresh();
    const title = panel.querySelector("li.unread [data-title]")?.textContent;
    if (title) announcer.textContent = announcer.dataset.new.replace("{title}", () => title);
  }

  // The stream says what came of it, here and in all other tabs.
  function markRead(form) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    return fetch(bell.dataset.read, {
      method: "POST",
      body: form,
      headers: { "X-CSRFToken": token },
      redirect: "manual",
      keepalive: true, // A link that was followed takes this page away.
    });
  }

  panel.addEventListener("toggle", ({ newState }) => {
    if (newState === "open" && isStale) refresh();
    tellTimes();
  });

  // In the panel, or on the page of the inbox.
  document.addEventListener("click", ({ target }) => {
    const entry = target.closest("a")?.closest("li.unread");
    if (!entry) return;
    // What was followed has been noticed, and so have those before it.
    const form = new FormData();
    form.set("up_to", entry.dataset.offset);
    markRead(form);
  });

  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    markRead(new FormData(event.target));
  });

  tellTimes();
  follow({
    url: bell.dataset.socket,
    user: bell.dataset.user,
    streams: JSON.parse(bell.dataset.cursors),
    onState({ key, data }) {
      if (key !== KEY) return;
      unread.become(data);
      show();
      isStale = true;
      if (panel.matches(":popover-open")) refresh();
    },
    onEvent(frame) {
      if (!unread.take(frame)) return;
      show();
      isStale = true;
      // A tab that nobody looks at asks when it is opened.
      if (!document.hidden) announce();
    },
    // Everything that is kept follows. The server has counted it already.
    onReset() {
      unread.forget();
      refresh();
    },
  });
}
