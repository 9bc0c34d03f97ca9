// A line of a log, and the element that shows it (templates/exports/export/_log_line.html).

import { show } from "../lib/times.js";
import { pieces, printable } from "./text.js";

// From what the API and the socket send.
export function fromData({ offset, at, level, message, logger, worker, attempt }) {
  // Named where a reader could take the line for another worker's.
  const source = worker ? `${logger} · ${worker} #${attempt}` : logger;
  return { offset, at, level, message: printable(message), source, worker, attempt };
}

// From an element that came with the page.
export function fromElement(element) {
  const [time, , message] = element.children;
  const { offset, level, worker, attempt } = element.dataset;
  return {
    offset: Number(offset),
    at: time.dateTime,
    level,
    message: message.textContent,
    source: message.title,
    worker,
    attempt,
  };
}

export function toElement(template, { offset, at, level, message, source }) {
  const element = template.cloneNode(true);
  const [time, levelText, messageText] = element.children;
  show(time, new Date(at));
  element.dataset.offset = offset;
  element.dataset.level = levelText.textContent = level;
  messageText.textContent = message;
  messageText.title = source;
  return element;
}

// Mark what `pattern` finds in the line, and whether it is the one that the search is at.
export function mark(element, { message }, pattern, isCurrent) {
  if (isCurrent) element.ariaCurrent = "true";
  else element.ariaCurrent = null;
  const text = element.lastElementChild;
  const parts = pieces(message, pattern);
  if (parts.length === 1 && !text.firstElementChild) return; // There is nothing to change.
  text.replaceChildren(...parts.map((part, index) => (index % 2 ? marked(part) : part)));
}

function marked(text) {
  const element = document.createElement("mark");
  element.textContent = text;
  return element;
}
