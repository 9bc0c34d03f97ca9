// Formats numbers and times in the language of the page. exports/formatting.py formats the same way
// on the server, and tests/js/exports/format_cases.json has the expected results of both.

const HARD = "\u00a0"; // no-break space

const language = () => globalThis.document?.documentElement.lang || "en";

// A formatter takes longer to create than to use a hundred times, and a page with many bars formats
// a thousand numbers a second.
const formatters = new Map(); // By language and options.

function format(value, lang, options = {}) {
  const key = `${lang} ${JSON.stringify(options)}`;
  if (!formatters.has(key)) formatters.set(key, new Intl.NumberFormat(lang, options));
  return formatters.get(key).format(value);
}

// 336776 -> "336,776", in German "336.776"
export function number(value, lang = language()) {
  return format(Math.round(value), lang);
}

// Seconds in at most two units. They are rounded up, because nobody likes to wait longer than
// estimated.
export function duration(seconds, lang = language()) {
  const whole = Math.max(1, Math.ceil(seconds));
  const steps = [
    [86400, "day", 3600, "hour"],
    [3600, "hour", 60, "minute"],
    [60, "minute", 1, "second"],
  ];
  for (const [big, bigUnit, small, smallUnit] of steps) {
    if (whole < big) continue;
    const head = unit(Math.floor(whole / big), bigUnit, lang);
    const rest = Math.floor((whole % big) / small);
    return rest ? `${head} ${unit(rest, smallUnit, lang)}` : head;
  }
  return unit(whole, "second", lang);
}

function unit(value, name, lang) {
  const options = { style: "unit", unit: name, unitDisplay: "short" };
  return format(value, lang, options).replaceAll(" ", HARD);
}

// 33685504 -> "32.1 MB", like Django's filesizeformat. `bytes` is at least 1024.
function size(bytes, lang) {
  const units = ["KB", "MB", "GB", "TB", "PB"];
  let power = 1;
  while (power < units.length && bytes >= 1024 ** (power + 1)) power += 1;
  const options = { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false };
  const text = format(bytes / 1024 ** power, lang, options);
  return `${text}${HARD}${units[power - 1]}`;
}

function percents(share, lang) {
  return format(share / 100, lang, { style: "percent" });
}

// Returns whole percents, rounded down, or null if the total is unknown. When all parts are written,
// it is 100, even if rows were deleted meanwhile.
export function percent({ status, stage, rows_done: done, rows_total: total }) {
  if (total === null) return null;
  const isExtracted = stage === "assembling" || status === "succeeded";
  return done >= total || isExtracted ? 100 : Math.floor((100 * done) / total);
}

// Returns the properties { max, value } of a progress bar, or null if the progress is unknown.
export function bar({ status, stage, assembled, rows_done: done, rows_total: total }) {
  if (stage === "assembling") return { max: 1, value: assembled };
  if (status === "succeeded") return { max: 1, value: 1 };
  return total === null ? null : { max: total || 1, value: done };
}

// If a worker has not reported for this many seconds, its speed is not shown any more.
export const SILENT_S = 10;

// Returns the values for the patterns of a page. A pattern that names a null is hidden. `silence` is
// the number of seconds since the worker's last report, or Infinity without a connection.
export function values(snapshot, silence = 0, lang = language()) {
  const share = percent(snapshot);
  const isCounted = snapshot.rows_total !== null;
  const { rows_again: again, assembled: file } = snapshot;
  const isSilent = silence >= SILENT_S;
  return {
    label: snapshot.label,
    rows_done: number(snapshot.rows_done, lang),
    rows_total: isCounted ? number(snapshot.rows_total, lang) : null,
    rows_so_far: isCounted || !snapshot.rows_done ? null : number(snapshot.rows_done, lang),
    rows_again: again ? number(again, lang) : null,
    percent: share === null ? null : percents(share, lang),
    assembled: file === null ? null : percents(Math.floor(100 * file), lang),
    size: snapshot.bytes < 1024 ? null : size(snapshot.bytes, lang),
    rate: snapshot.rate && !isSilent ? number(snapshot.rate, lang) : null,
    eta: snapshot.eta && !isSilent ? duration(snapshot.eta, lang) : null,
    silence: isSilent && silence < Infinity ? duration(Math.floor(silence), lang) : null,
  };
}

// Fills a pattern such as "about {eta} left", or returns "" if one of its values is unknown.
export function fill(pattern, known) {
  let complete = true;
  const text = pattern.replace(/\{(\w+)\}/g, (_, name) => {
    complete &&= (known[name] ?? null) !== null;
    return known[name];
  });
  return complete ? text : "";
}

// Returns the title of the tab: the progress of its exports and the title of the page.
export function title(base, snapshots, lang = language()) {
  const active = snapshots.filter((each) => !each.finished_at);
  if (active.length === 0) return base;
  const share = values(active[0], 0, lang).percent;
  if (active.length > 1 || share === null) return `(${active.length}) ${base}`;
  return `${share} · ${base}`;
}

// The date and time in the reader's time zone: "Nov 28, 2025, 6:44 AM", in German
// "28.11.2025, 06:44".
export function dateTime(date, locale) {
  return date.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

// "06:44:12" in every language, so that the lines of a log are aligned.
export function clock(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
}

function pad(value) {
  return String(value).padStart(2, "0");
}
