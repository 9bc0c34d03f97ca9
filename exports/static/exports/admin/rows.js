// The text of the column "Rows" in the admin's list. No DOM.

import { isFinal } from "../lib/fold.js";
import { number } from "../lib/format.js";

// Returns the highest number of rows that the export has had. The snapshot of a finished export
// does not contain it any more, so `before` is the previous result.
export function mostRows({ rows_done: done, rows_again: again }, before) {
  return Math.max(Number(before), done + again);
}

// Returns the text that exports/admin/change_list.py renders, too. `most` is used for exports that
// failed or were cancelled.
export function rowsText(snapshot, most) {
  const { status, rows_done: done, rows_total: total } = snapshot;
  const hasFailed = isFinal(snapshot) && status !== "succeeded";
  const shown = hasFailed ? most : done;
  if (hasFailed && !shown) return "";
  return number(shown) + (status === "succeeded" || total === null ? "" : ` / ${number(total)}`);
}
