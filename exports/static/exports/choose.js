// Brings the form in which an export is chosen to life: columns move where they are, and what
// the choice would give is shown while it is made. Without it, each button sends the form.

import { contentOf } from "../notifications/fragment.js";
import { Columns } from "./columns.js";
import { Latest } from "./latest.js";

// Somebody who types goes on typing.
const PAUSE_MS = 400;

export function bringToLife(form) {
  const places = form.querySelectorAll("[data-looked]");
  const options = form.querySelector("[data-options]");
  const unanswered = form.querySelector("[data-unanswered]");
  const latest = new Latest({ ask, show, pauseMs: PAUSE_MS });

  async function ask(signal) {
    let html = null;
    try {
      const response = await fetch(form.dataset.preview, {
        method: "POST",
        body: new FormData(form),
        redirect: "manual",
        signal,
      });
      if (response.ok) html = await response.text();
    } catch {
      // Not reached, or something else is wanted by now.
    }
    if (!signal.aborted) setBusy(false);
    return html;
  }

  // Without an answer, what is shown is of an earlier choice.
  function show(html) {
    unanswered.hidden = html !== null;
    if (html === null) return;
    const content = contentOf(html);
    for (const place of places) {
      const part = content.querySelector(`[data-part=${place.dataset.looked}]`);
      place.replaceChildren(...part.childNodes);
    }
  }

  function setBusy(isBusy) {
    for (const place of places) place.ariaBusy = isBusy;
  }

  function look() {
    setBusy(true);
    latest.want();
  }

  // Options that the format has not are not sent, or they would be refused.
  function fitOptions() {
    const format = new FormData(form).get("format");
    let count = 0;
    for (const option of options.querySelectorAll("[data-formats]")) {
      option.hidden = !option.dataset.formats.split(" ").includes(format);
      for (const field of option.querySelectorAll("input, select")) field.disabled = option.hidden;
      count += option.hidden ? 0 : 1;
    }
    options.querySelector("[data-none]").hidden = count > 0;
  }

  new Columns(form.querySelector("[data-columns]"), { changed: look });
  form.querySelector("[name=look]").hidden = true;
  form.addEventListener("input", ({ target }) => {
    if (target.name === "preset" || target.name === "label") return; // Not in the file.
    fitOptions();
    look();
  });
  fitOptions();
  look();
}
