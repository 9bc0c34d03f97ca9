// Brings the form in which an export is chosen to life: columns move where they are, what the
// choice would give is shown while it is made, and who comes back finds it as they left it.
// Without it, each button sends the form.

import { contentOf } from "../../notifications/lib/fragment.js";
import { Columns } from "./columns.js";
import { columnsOf, foundAgain, keep, putBack } from "./kept.js";
import { Latest } from "./latest.js";

// Somebody who types goes on typing.
const PAUSE_MS = 400;
// A server that was too busy is asked again.
const BUSY_MS = 3_000;

export function attach(form) {
  const places = form.querySelectorAll("[data-looked]");
  const options = form.querySelector("[data-options]");
  const unanswered = form.querySelector("[data-unanswered]");
  const { label, preset } = form.elements;
  const latest = new Latest({ ask, show, pauseMs: PAUSE_MS });
  let timer = null;

  async function ask(signal) {
    let html = null;
    try {
      const response = await fetch(form.dataset.preview, {
        method: "POST",
        body: new FormData(form),
        redirect: "manual",
        signal,
      });
      // 429: so many were refused that the next one waits. The fragment says for how long.
      if (response.ok || response.status === 429) html = await response.text();
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
    if (form.querySelector("[data-busy]")) latest.want(BUSY_MS);
  }

  function setBusy(isBusy) {
    for (const place of places) place.ariaBusy = isBusy;
  }

  function look() {
    setBusy(true);
    latest.want();
  }

  // In this entry of the history. A page that is the answer to what was sent is another entry,
  // and as the server has made it.
  function remember() {
    clearTimeout(timer);
    const choice = { user: form.dataset.user, fields: keep(form.elements) };
    history.replaceState({ ...history.state, choice }, "");
  }

  // Browsers take only so many a minute. Nor do all of them take one from a page that is left.
  function rememberSoon() {
    clearTimeout(timer);
    timer = setTimeout(remember, PAUSE_MS);
  }

  function comeBack() {
    const navigation = performance.getEntriesByType("navigation")[0]?.type;
    const kept = foundAgain(history.state, form.dataset.user, navigation);
    if (!kept) return;
    putBack(form.elements, kept);
    columns.arrange(columnsOf(kept));
    columns.count();
  }

  // What a choice without a name will be called.
  function suggest() {
    preset.placeholder = (label.value || label.placeholder).slice(0, preset.maxLength);
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

  const columns = new Columns(form.querySelector("[data-columns]"), {
    changed() {
      rememberSoon();
      look();
    },
  });
  form.querySelector("[name=look]").hidden = true;
  form.addEventListener("input", ({ target }) => {
    if (!target.name) return; // It finds columns.
    rememberSoon();
    suggest();
    if (target === preset || target === label) return; // Not in the file.
    fitOptions();
    look();
  });
  // A browser puts back what it likes, for whoever uses it now, and ticks by their place.
  form.autocomplete = "off";
  addEventListener("pagehide", remember);
  comeBack();
  suggest();
  fitOptions();
  look();
  form.parentElement.querySelector("[aria-invalid=true], [data-wrong]")?.focus();
}
