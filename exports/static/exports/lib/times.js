// Shows the times of a page, which the server renders in its own time zone, in the reader's.

import { locale } from "../../notifications/lib/locale.js";
import { clock, dateTime } from "./format.js";

const forms = { date: dateTime, clock };

export function localize(root) {
  for (const time of root.querySelectorAll("time[data-form]")) show(time, new Date(time.dateTime));
  for (const note of root.querySelectorAll("[data-zone]")) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    note.textContent = note.dataset.zone.replace("{zone}", zone);
  }
}

export function show(time, date) {
  time.dateTime = date.toISOString();
  time.title = date.toLocaleString(locale());
  time.textContent = forms[time.dataset.form](date, locale());
}
