// Lines of a log to the clipboard, as the text that a download has.

import { fill, number } from "../lib/format.js";
import { entry } from "./text.js";

// For which the button says what it has done.
const DONE_MS = 2000;

const asText = (lines) => lines.map(entry).join("");

// `touched()` gives the lines of which something is selected. Of one line it may be a word,
// which is copied as it is; of several, all of each.
export function copySelected(box, touched) {
  box.addEventListener("copy", (event) => {
    const lines = touched();
    if (lines.length > 1) put(event, asText(lines));
  });
}

// `lines()` gives those to copy when the button is pressed; `say` is told that they were.
export function copyAll(button, lines, say) {
  const label = button.textContent;
  let waiting;
  button.addEventListener("click", async () => {
    const copied = lines();
    if (!(await copy(asText(copied)))) return;
    button.textContent = button.dataset.done;
    say(fill(button.dataset.said, { lines: number(copied.length) }));
    clearTimeout(waiting);
    waiting = setTimeout(() => (button.textContent = label), DONE_MS);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not over plain HTTP. There the old way is open: to answer the copying of a selection.
    const answer = (event) => put(event, text);
    document.addEventListener("copy", answer, true);
    const isCopied = document.execCommand("copy");
    document.removeEventListener("copy", answer, true);
    return isCopied;
  }
}

function put(event, text) {
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
  event.stopPropagation();
}
