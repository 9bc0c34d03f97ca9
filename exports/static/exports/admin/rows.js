// What the admin's list says of the rows of an export. No DOM.

import { isFinal } from "../lib/fold.js";
import { number } from "../lib/format.js";

// How many rows it has or once had: a snapshot of what has ended does not say it any more.
export function reached({ rows_done: done, rows_again: again }, before) {
  return Math.max(Number(before), done + again);
}

// As exports/admin/change_list.py writes it: of what has ended without a file, how far it had come.
export function rows(snapshot, most) {
  const { status, rows_done: done, rows_total: total } = snapshot;
  const hasFailed = isFinal(snapshot) && status !== "succeeded";
  const shown = hasFailed ? most : done;
  if (hasFailed && !shown) return "";
  return number(shown) + (status === "succeeded" || total === null ? "" : ` / ${number(total)}`);
}
