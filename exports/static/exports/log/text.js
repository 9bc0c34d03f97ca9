// The text of log lines: how it is shown, searched and copied. exports/log/text.py makes the
// same of a download: tests/js/exports/log_cases.json holds both to one table.

// What would move a terminal's cursor, or not be seen: all but tab and line feed. And what has
// letters read in another order than they are in. notifications/printable.py has the same list.
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const INDENT = "    ";

export function printable(text) {
  return text.replaceAll("\r\n", "\n").replace(CONTROL, picture);
}

function picture(char) {
  const code = char.charCodeAt(0);
  if (code === 0x7f) return "\u2421";
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
}

// One entry of a log as text. Its further lines are indented: none can pretend to be another.
export function entry({ at, level, message, worker, attempt }) {
  const [first, ...more] = printable(message).split("\n");
  const whose = worker ? ` [${inOneLine(worker)} #${attempt}]` : "";
  const lines = [`${new Date(at).toISOString()} ${inOneLine(level)} ${first}${whose}`];
  return lines.concat(more.map((line) => INDENT + line)).join("\n") + "\n";
}

function inOneLine(text) {
  return printable(text).split(/\s+/).filter(Boolean).join(" ");
}

// 2 for an error, 1 for a warning, 0 for everything else, also for levels that we do not know.
export function severity(level) {
  if (level === "ERROR" || level === "CRITICAL") return 2;
  return level === "WARNING" ? 1 : 0;
}

// What finds `query` in a text, whatever its case; null for nothing to search for.
export function pattern(query) {
  return query ? new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu") : null;
}

// `text` in pieces, every second of which is what `found` finds.
export function pieces(text, found) {
  const all = [];
  let end = 0;
  for (const match of found ? text.matchAll(found) : []) {
    all.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...all, text.slice(end)];
}
