// The text of log lines: how it is shown, searched and copied. exports/log/text.py writes the same
// text into downloads, and tests/js/exports/log_cases.json has the expected results of both.

// Control characters except tab and line feed, which move a terminal's cursor or are invisible, and
// characters that change the direction of text. notifications/printable.py has the same list.
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const INDENT = "    ";

export function printable(text) {
  return text.replaceAll("\r\n", "\n").replace(CONTROL, visible);
}

function visible(char) {
  const code = char.charCodeAt(0);
  if (code === 0x7f) return "\u2421";
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
}

// Returns an entry of a log as text. Further lines are indented, so that none looks like an entry.
export function entry({ at, level, message, worker, attempt }) {
  const [first, ...more] = printable(message).split("\n");
  const source = worker ? ` [${inOneLine(worker)} #${attempt}]` : "";
  const lines = [`${new Date(at).toISOString()} ${inOneLine(level)} ${first}${source}`];
  return lines.concat(more.map((line) => INDENT + line)).join("\n") + "\n";
}

function inOneLine(text) {
  return printable(text).split(/\s+/).filter(Boolean).join(" ");
}

// Returns 2 for an error, 1 for a warning, and 0 for everything else, also for unknown levels.
export function severity(level) {
  if (level === "ERROR" || level === "CRITICAL") return 2;
  return level === "WARNING" ? 1 : 0;
}

// Returns a pattern that finds `query` in any case, or null for an empty query.
export function pattern(query) {
  return query ? new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu") : null;
}

// Splits `text` into pieces, of which every second one is a match of `pattern`.
export function pieces(text, pattern) {
  const all = [];
  let end = 0;
  for (const match of pattern ? text.matchAll(pattern) : []) {
    all.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...all, text.slice(end)];
}
