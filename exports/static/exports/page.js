// The script of all pages. A page that lacks a part does not miss its script.

import "../notifications/bell.js";
import "../notifications/switch.js";
import "./exports.js";
import "./admin_list.js";
import "./choose.js";
