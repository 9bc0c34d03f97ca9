// Copies lines of a log to the clipboard, with the same text as a download.

import { fill, number } from "../lib/format.js";
import { entry } from "./text.js";

// How long the button shows that it has copied.
const DONE_MS = 2000;

const asText = (lines) => lines.map(entry).join("");

// `selectedLines()` returns the lines that contain a part of the selection. A selection within one
// line is copied as it is. Of several lines, each is copied as a whole.
export function copySelected(box, selectedLines) {
  box.addEventListener("copy", (event) => {
    const lines = selectedLines();
    if (lines.length > 1) setClipboard(event, asText(lines));
  });
}

// The button copies all of `lines()`. `announce` gets a text for screen readers.
export function copyAll(button, lines, announce) {
  const label = button.textContent;
  let timer;
  button.addEventListener("click", async () => {
    const copied = lines();
    if (!(await copy(asText(copied)))) return;
    button.textContent = button.dataset.done;
    announce(fill(button.dataset.announcement, { lines: number(copied.length) }));
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = label), DONE_MS);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard over plain HTTP. There the old command works, if a handler
    // replaces the copied text.
    const handler = (event) => setClipboard(event, text);
    document.addEventListener("copy", handler, true);
    const isCopied = document.execCommand("copy");
    document.removeEventListener("copy", handler, true);
    return isCopied;
  }
}

function setClipboard(event, text) {
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
  event.stopPropagation();
}
