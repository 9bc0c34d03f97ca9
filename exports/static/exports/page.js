// The script of all pages: brings to life those parts that a page has. All work without it.

import { attach as bell } from "../notifications/bell/bell.js";
import { attach as desktop } from "../notifications/bell/switch.js";
import { attach as adminList } from "./admin/change_list.js";
import { attach as adminPanel } from "./admin/change_page.js";
import { attach as choice } from "./choose/choose.js";
import { attach as cards } from "./dashboard/dashboard.js";
import { localise } from "./lib/times.js";

const parts = [
  // The foot names the zone of a page's times. Those of the admin are the server's, also in our
  // panel, and so are those of filters.
  ["time[data-form]:not(.waybill-panel *), main time[data-ago]", () => localise(document)],
  ["[data-bell]", bell],
  ["[data-desktop]", desktop],
  ["[data-streams][data-made-at]", cards],
  ["[data-streams][data-words]", adminList],
  [".waybill-panel", adminPanel],
  ["[data-choose]", choice],
];

for (const [selector, attach] of parts) {
  const element = document.querySelector(selector);
  try {
    if (element) attach(element);
  } catch (error) {
    reportError(error); // The mistake of one part. The others go on.
  }
}
