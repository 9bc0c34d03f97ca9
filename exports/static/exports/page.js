// The script of all pages. It attaches the script of each part that the page has. All parts also
// work without scripts.

import { attach as attachBell } from "../notifications/bell/bell.js";
import { attach as attachDesktop } from "../notifications/bell/switch.js";
import { attach as attachAdminList } from "./admin/change_list.js";
import { attach as attachAdminPanel } from "./admin/change_page.js";
import { attach as attachChoice } from "./choose/choose.js";
import { attach as attachDashboard } from "./dashboard/dashboard.js";
import { localize } from "./lib/times.js";

const parts = [
  // The footer names the time zone of the times in the page. Times in the admin, also in its panel,
  // and in filters are in the server's time zone.
  ["time[data-form]:not(.waybill-panel *), main time[data-ago]", () => localize(document)],
  ["[data-bell]", attachBell],
  ["[data-desktop]", attachDesktop],
  ["[data-streams][data-made-at]", attachDashboard],
  ["[data-streams][data-status-labels]", attachAdminList],
  [".waybill-panel", attachAdminPanel],
  ["[data-choose]", attachChoice],
];

for (const [selector, attach] of parts) {
  const element = document.querySelector(selector);
  try {
    if (element) attach(element);
  } catch (error) {
    reportError(error); // An error in one part must not stop the others.
  }
}
