// What a tab says of its exports to who looks at another one: its title, and its icon.

import { isFinal } from "../lib/fold.js";
import { fill, title, values } from "../lib/format.js";

// The icon moves as seldom as that: nobody sees a smaller step at its size.
const STEPS = 8;
// Waybill's green, and the red of failures. An icon is no part of a page, and reads none of
// its properties; tabs are light or dark, so it has a ground of its own.
const GREEN = "#0b6b5d";
const RED = "#b3261e";
const RADIUS = 7;

// What has become of an export is news while nobody has seen it. Who cancels knows.
export function isNews(before, snapshot) {
  if (!isFinal(snapshot) || snapshot.status === "cancelled") return false;
  return before === null || !isFinal(before);
}

// "plain" · "succeeded" and "failed": what has ended while nobody looked, before all that
// still goes on · "0" to "8": so many eighths are done · "some": nobody knows how much.
export function icon(snapshots, news) {
  if (news.length) return worst(news).status;
  const active = snapshots.filter((each) => !isFinal(each));
  if (active.length === 0) return "plain";
  const counted = active.filter((each) => each.rows_total);
  if (counted.length === 0) return "some";
  const [done, total] = ["rows_done", "rows_total"].map((name) =>
    counted.reduce((sum, each) => sum + each[name], 0),
  );
  return String(Math.floor((STEPS * Math.min(done, total)) / total));
}

// `words` has a sentence for each status, and one for several. Without news: how far it is.
export function headline(base, snapshots, news, words) {
  if (news.length === 0) return title(base, snapshots);
  const said = worst(news);
  const sentence = fill(words[said.status], values(said));
  if (news.length === 1) return sentence;
  return fill(words.several, { sentence, count: news.length - 1 });
}

// The newest failure, which wants something of the reader; else the newest.
function worst(news) {
  return news.findLast(({ status }) => status === "failed") ?? news.at(-1);
}

// The icon of that name as an address. `plain` is the page's own.
export function address(name, plain) {
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
