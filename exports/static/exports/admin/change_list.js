// Keeps the admin's list of exports up to date. Without this script, the user reloads the page.

import { isFinal } from "../lib/fold.js";
import { duration } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { attach as attachNotice } from "./new_exports.js";
import { mostRows, rowsText } from "./rows.js";

export function attach(page) {
  const labels = JSON.parse(page.dataset.statusLabels);

  function show(snapshot, at) {
    for (const cell of document.querySelectorAll(`[data-export="${snapshot.id}"]`)) {
      const name = cell.dataset.cell;
      if (name === "progress") updateBar(cell, snapshot);
      else if (name === "file") cell.hidden = !snapshot.links.download;
      else if (name === "rows") {
        const most = mostRows(snapshot, cell.dataset.reached);
        cell.dataset.reached = most;
        cell.textContent = rowsText(snapshot, most);
      } else if (name === "took") cell.textContent = runningTime(snapshot, at);
      else {
        cell.textContent = labels[snapshot.status] ?? snapshot.status;
        cell.dataset.status = snapshot.status;
      }
    }
  }

  function updateBar(bar, snapshot) {
    // A hidden bar keeps its space, so that no row below it moves.
    bar.style.visibility = isFinal(snapshot) ? "hidden" : "";
    if (snapshot.status === "running" && snapshot.rows_total === null) {
      bar.removeAttribute("value"); // The bar becomes indeterminate.
    } else {
      bar.max = snapshot.rows_total || 1;
      bar.value = snapshot.rows_done;
    }
  }

  // A list without active exports has no streams.
  if (Object.keys(JSON.parse(page.dataset.streams)).length > 0) {
    follow(page, {
      onState({ data, at }) {
        show(data, at);
      },
    });
  }

  attachNotice(document.querySelector("[data-news]"));
}

function runningTime({ started_at: start, finished_at: end }, at) {
  return start ? duration((Date.parse(end ?? at) - Date.parse(start)) / 1000) : "";
}
