// Numbers as people read them. The server formats the same way when it renders a page:
// exports/templatetags/waybill.py. tests/js/format_cases.json holds both to one table.

const THIN = "\u202f"; // narrow no-break space
const HARD = "\u00a0"; // no-break space

// 336776 -> "336 776"
export function number(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

// 33685504 -> "32.1 MB": as Django's filesizeformat.
export function size(bytes) {
  if (bytes < 1024) return `${bytes}${HARD}${bytes === 1 ? "byte" : "bytes"}`;
  const units = ["KB", "MB", "GB", "TB", "PB"];
  let power = 1;
  while (power < units.length && bytes >= 1024 ** (power + 1)) power += 1;
  return `${(bytes / 1024 ** power).toFixed(1)}${HARD}${units[power - 1]}`;
}

// Seconds in at most two units, rounded up: an estimate that runs out early annoys.
export function duration(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 60) return `${whole}${HARD}s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  return whole < 86400 ? two(whole, 3600, "h", 60, "min") : two(whole, 86400, "d", 3600, "h");
}

function two(seconds, big, bigName, small, smallName) {
  const bigs = Math.floor(seconds / big);
  const smalls = Math.floor((seconds % big) / small);
  const head = `${bigs}${HARD}${bigName}`;
  return smalls ? `${head} ${smalls}${HARD}${smallName}` : head;
}

// Whole percents, and 100 only when nothing is missing. Null when the total is unknown.
export function percent({ rows_done: done, rows_total: total }) {
  if (total === null) return null;
  return done >= total ? 100 : Math.floor((100 * done) / total);
}

// What a bar has to go, and how far it is: { max, value }; null when that is not known.
export function bar({ stage, assembled, rows_done: done, rows_total: total }) {
  if (stage === "assembling") return { max: 1, value: assembled };
  return total === null ? null : { max: total || 1, value: done };
}

// Seconds without a word from a worker after which a page stops to say how fast it is.
export const SILENT_S = 10;

// What the sentences of a page may name. Null hides a sentence that names it. `silence`:
// seconds since the export was last heard of; infinitely many while nothing can be heard.
export function values(snapshot, silence = 0) {
  const share = percent(snapshot);
  const counted = snapshot.rows_total !== null;
  const { rows_again: again, assembled: file } = snapshot;
  const isSilent = silence >= SILENT_S;
  return {
    label: snapshot.label,
    rows_done: number(snapshot.rows_done),
    rows_total: counted ? number(snapshot.rows_total) : null,
    rows_so_far: counted || !snapshot.rows_done ? null : number(snapshot.rows_done),
    rows_again: again ? number(again) : null,
    percent: share === null ? null : `${share}${THIN}%`,
    assembled: file === null ? null : `${Math.floor(100 * file)}${THIN}%`,
    size: snapshot.bytes ? size(snapshot.bytes) : null,
    rate: snapshot.rate && !isSilent ? number(snapshot.rate) : null,
    eta: snapshot.eta && !isSilent ? duration(snapshot.eta) : null,
    silence: isSilent && silence < Infinity ? duration(Math.floor(silence)) : null,
  };
}

// "about {eta} left" with its values, or "" if one of them is unknown.
export function fill(pattern, known) {
  let complete = true;
  const text = pattern.replace(/\{(\w+)\}/g, (_, name) => {
    complete &&= (known[name] ?? null) !== null;
    return known[name];
  });
  return complete ? text : "";
}

// The title of a tab: how far its exports are, before what the page is called.
export function title(base, snapshots) {
  const active = snapshots.filter((each) => !each.finished_at);
  if (active.length === 0) return base;
  const share = values(active[0]).percent;
  if (active.length > 1 || share === null) return `(${active.length}) ${base}`;
  return `${share} · ${base}`;
}

// A moment in the reader's own time zone: "2025-11-28 06:44", or only "06:44:12".
export function dateTime(date) {
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(pad).join("-");
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

export function clock(date) {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
}

function pad(value) {
  return String(value).padStart(2, "0");
}
