// A SharedWorker that holds the connection for all tabs of a user. See shared.js.

import { RouterPool } from "./pool.js";
import { Router } from "./router.js";
import { isSignedIn } from "../lib/session.js";
import { Tab, TICK_MS } from "./tab.js";

const { url, api } = JSON.parse(self.name);
const router = new RouterPool(() => new Router({ url, api, isSignedIn }));
const tabs = new Set();

self.onconnect = ({ ports: [port] }) => {
  tabs.add(new Tab({ port, router, ended: (tab) => tabs.delete(tab) }));
};

setInterval(() => {
  for (const tab of tabs) tab.tick();
}, TICK_MS);
