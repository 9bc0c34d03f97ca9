// The title and the icon of the browser tab. They show the progress of exports and which ones have
// ended while the user was looking at another tab.

import { isFinal } from "../lib/fold.js";
import { fill, title, values } from "../lib/format.js";

// The icon changes only this many times, because smaller steps are not visible at its size.
const STEPS = 8;
// Waybill's green, and the red of failures. An icon cannot read the page's CSS properties. It has a
// background of its own, because tabs may be light or dark.
const GREEN = "#0b6b5d";
const RED = "#b3261e";
const RADIUS = 7;

// Returns whether the export has ended between two snapshots. Cancelled ones do not count, because
// the user cancelled them.
export function hasJustEnded(before, snapshot) {
  if (!isFinal(snapshot) || snapshot.status === "cancelled") return false;
  return before === null || !isFinal(before);
}

// Returns the name of the tab's icon: "succeeded" or "failed" if exports have `ended` unseen, else
// the progress of active exports in eighths, from "0" to "8", "some" if their number of rows is
// unknown, or "plain" without active exports.
export function iconName(snapshots, ended) {
  if (ended.length) return mostImportant(ended).status;
  const active = snapshots.filter((each) => !isFinal(each));
  if (active.length === 0) return "plain";
  const counted = active.filter((each) => each.rows_total);
  if (counted.length === 0) return "some";
  const [done, total] = ["rows_done", "rows_total"].map((name) =>
    counted.reduce((sum, each) => sum + each[name], 0),
  );
  return String(Math.floor((STEPS * Math.min(done, total)) / total));
}

// Returns the title of the tab. `texts` has a pattern for each status, and one for several exports.
export function tabTitle(base, snapshots, ended, texts) {
  if (ended.length === 0) return title(base, snapshots);
  const shown = mostImportant(ended);
  const sentence = fill(texts[shown.status], values(shown));
  if (ended.length === 1) return sentence;
  return fill(texts.several, { sentence, count: ended.length - 1 });
}

// The newest failure, which the user may have to act on, or else the newest export.
function mostImportant(ended) {
  return ended.findLast(({ status }) => status === "failed") ?? ended.at(-1);
}

// Returns the URL of an icon. `plain` is the URL of the page's own.
export function iconUrl(name, plain) {
  if (name === "plain") return plain;
  const isFailed = name === "failed";
  const svg = [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#fff"',
    ' stroke-width="4" stroke-linecap="round" stroke-linejoin="round">',
    `<rect width="24" height="24" rx="5" fill="${isFailed ? RED : GREEN}" stroke="none"/>`,
    drawing(name),
    "</svg>",
  ].join("");
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function drawing(name) {
  if (name === "succeeded") return '<path d="M6 12.5l4.25 4.5L18 8"/>';
  if (name === "failed") return '<path d="M7 7l10 10M17 7L7 17"/>';
  const ring = `<circle cx="12" cy="12" r="${RADIUS}"`;
  const length = 2 * Math.PI * RADIUS;
  const part = (name === "some" ? 1 / 4 : name / STEPS) * length;
  const arc = `${ring} stroke-linecap="butt" stroke-dasharray="${part} ${length}" transform="rotate(-90 12 12)"/>`;
  return `${ring} stroke-opacity=".35"/>${part ? arc : ""}`;
}
