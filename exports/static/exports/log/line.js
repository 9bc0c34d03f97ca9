// Converts a line of a log from and to its element (exports/templates/exports/export/_log_line.html).

import { show } from "../lib/times.js";
import { pieces, printable } from "./text.js";

// Returns the line for an item of the API or the socket.
export function fromData({ offset, at, level, message, logger, worker, attempt }) {
  // Lines of helpers and of later attempts name their worker.
  const source = worker ? `${logger} · ${worker} #${attempt}` : logger;
  return { offset, at, level, message: printable(message), source, worker, attempt };
}

// Returns the line for an element that the server rendered.
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

// Marks the matches of `pattern` in the line, and whether it is the current match.
export function mark(element, { message }, pattern, isCurrent) {
  if (isCurrent) element.ariaCurrent = "true";
  else element.ariaCurrent = null;
  const text = element.lastElementChild;
  const parts = pieces(message, pattern);
  if (parts.length === 1 && !text.firstElementChild) return; // Nothing changes.
  text.replaceChildren(...parts.map((part, index) => (index % 2 ? marked(part) : part)));
}

function marked(text) {
  const element = document.createElement("mark");
  element.textContent = text;
  return element;
}
