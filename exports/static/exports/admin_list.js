// Keeps the admin's list of exports up to date. Without it, a reload does.

import { isFinal } from "./fold.js";
import { duration, number } from "./format.js";
import { follow } from "./live.js";
import { watch } from "./news.js";

export function bringToLife(page) {
  const words = JSON.parse(page.dataset.words);

  // As exports/admin/listing.py writes them.
  function text(snapshot, at) {
    const { status, rows_done: done, rows_total: total } = snapshot;
    const of = isFinal(snapshot) || total === null ? "" : ` / ${number(total)}`;
    const start = Date.parse(snapshot.started_at);
    const end = Date.parse(snapshot.finished_at ?? at);
    return {
      status: words[status] ?? status,
      rows: number(done) + of,
      took: snapshot.started_at ? duration((end - start) / 1000) : "",
    };
  }

  function show(snapshot, at) {
    const texts = text(snapshot, at);
    for (const cell of document.querySelectorAll(`[data-export="${snapshot.id}"]`)) {
      const name = cell.dataset.cell;
      if (name === "progress") move(cell, snapshot);
      else if (name === "file") cell.hidden = !snapshot.links.download;
      else cell.textContent = texts[name];
      if (name === "status") cell.dataset.status = snapshot.status;
    }
  }

  function move(bar, snapshot) {
    bar.hidden = isFinal(snapshot);
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
