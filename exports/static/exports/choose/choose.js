// The form in which the user chooses columns and filters. With this script, columns move without
// a request, the preview follows each change, and the back button restores the choices. Without
// it, each button submits the form.

import { contentOf } from "../../notifications/lib/fragment.js";
import { Columns } from "./columns.js";
import { Debounced } from "./debounced.js";
import { columnOrder, fieldsToRestore, restoreFields, saveFields } from "./form_state.js";

// A preview is requested when the user has not typed for this long.
const PAUSE_MS = 400;
// If the server was too busy for a preview, the next request follows after this time.
const BUSY_MS = 3_000;

export function attach(form) {
  const targets = form.querySelectorAll("[data-preview-part]");
  const options = form.querySelector("[data-options]");
  const failed = form.querySelector("[data-preview-failed]");
  const { label, preset } = form.elements;
  const preview = new Debounced({ load, show, pauseMs: PAUSE_MS });
  let timer = null;

  async function load(signal) {
    let html = null;
    try {
      const response = await fetch(form.dataset.preview, {
        method: "POST",
        body: new FormData(form),
        redirect: "manual",
        signal,
      });
      // The fragment of a 429 response says how long the user has to wait.
      if (response.ok || response.status === 429) html = await response.text();
    } catch {
      // The server was not reached, or a newer request has aborted this one.
    }
    if (!signal.aborted) setBusy(false);
    return html;
  }

  // Without a response, the old preview stays, with a note that it is out of date.
  function show(html) {
    failed.hidden = html !== null;
    if (html === null) return;
    const content = contentOf(html);
    for (const target of targets) {
      const part = content.querySelector(`[data-part=${target.dataset.previewPart}]`);
      target.replaceChildren(...part.childNodes);
    }
    if (form.querySelector("[data-busy]")) preview.request(BUSY_MS);
  }

  function setBusy(isBusy) {
    for (const target of targets) target.ariaBusy = isBusy;
  }

  function updatePreview() {
    setBusy(true);
    preview.request();
  }

  // Saves the fields in the current entry of the browser's history. The page that responds to a
  // submitted form is another entry.
  function save() {
    clearTimeout(timer);
    const choice = { user: form.dataset.user, fields: saveFields(form.elements) };
    history.replaceState({ ...history.state, choice }, "");
  }

  // Browsers limit calls of replaceState() to some in a minute, so not each change saves at once.
  // They also do not all allow it on "pagehide", so that event alone is not enough.
  function saveSoon() {
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE_MS);
  }

  function restore() {
    const navigation = performance.getEntriesByType("navigation")[0]?.type;
    const fields = fieldsToRestore(history.state, form.dataset.user, navigation);
    if (!fields) return;
    restoreFields(form.elements, fields);
    columns.arrange(columnOrder(fields));
    columns.showCount();
  }

  // A preset without a name gets the name of the export.
  function suggestPresetName() {
    preset.placeholder = (label.value || label.placeholder).slice(0, preset.maxLength);
  }

  // Disabled fields are not submitted. The server would refuse options of another format.
  function showOptionsOfFormat() {
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
    onChange() {
      saveSoon();
      updatePreview();
    },
  });
  form.querySelector("[name=preview]").hidden = true;
  form.addEventListener("input", ({ target }) => {
    if (!target.name) return; // The field that searches columns has no name.
    saveSoon();
    suggestPresetName();
    if (target === preset || target === label) return; // Names do not change the file.
    showOptionsOfFormat();
    updatePreview();
  });
  // Browsers restore fields by their position, even for another user. This script does it by name.
  form.autocomplete = "off";
  addEventListener("pagehide", save);
  restore();
  suggestPresetName();
  showOptionsOfFormat();
  updatePreview();
  form.parentElement.querySelector("[aria-invalid=true], [data-error]")?.focus();
}
