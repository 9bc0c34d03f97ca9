// Keeps the admin's list of exports up to date. Without it, a reload does.

import { isFinal } from "../lib/fold.js";
import { duration } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { watch } from "./new_exports.js";
import { reached, rows } from "./rows.js";

export function attach(page) {
  const words = JSON.parse(page.dataset.words);

  function show(snapshot, at) {
    for (const cell of document.querySelectorAll(`[data-export="${snapshot.id}"]`)) {
      const name = cell.dataset.cell;
      if (name === "progress") move(cell, snapshot);
      else if (name === "file") cell.hidden = !snapshot.links.download;
      else if (name === "rows") {
        const most = reached(snapshot, cell.dataset.reached);
        cell.dataset.reached = most;
        cell.textContent = rows(snapshot, most);
      } else if (name === "took") cell.textContent = took(snapshot, at);
      else {
        cell.textContent = words[snapshot.status] ?? snapshot.status;
        cell.dataset.status = snapshot.status;
      }
    }
  }

  function move(bar, snapshot) {
    // It leaves its room, so that no row below it moves.
    bar.style.visibility = isFinal(snapshot) ? "hidden" : "";
    if (snapshot.status === "running" && snapshot.rows_total === null) {
      bar.removeAttribute("value"); // It moves to and fro.
    } else {
      bar.max = snapshot.rows_total || 1;
      bar.value = snapshot.rows_done;
    }
  }

  // Nothing under way, nothing to follow.
  if (Object.keys(JSON.parse(page.dataset.streams)).length > 0) {
    follow(page, {
      onState({ data, at }) {
        show(data, at);
      },
    });
  }

  watch(document.querySelector("[data-news]"));
}

function took({ started_at: start, finished_at: end }, at) {
  return start ? duration((Date.parse(end ?? at) - Date.parse(start)) / 1000) : "";
}
