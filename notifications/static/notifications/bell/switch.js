// The switch for browser notifications on the inbox page.

import { Desktop } from "./desktop.js";

export function attach(root) {
  const box = root.querySelector("input");
  const desktop = new Desktop({ user: root.dataset.desktop });

  function show() {
    const { state } = desktop;
    box.checked = state === "on";
    box.disabled = state !== "on" && state !== "off";
    for (const text of root.querySelectorAll("[data-when]")) {
      text.hidden = text.dataset.when !== state;
    }
  }

  box.addEventListener("change", async () => {
    if (box.checked) await desktop.enable(root.dataset.sample);
    else desktop.disable();
    show();
  });
  // Another tab, or the settings of the browser, may have changed the state.
  addEventListener("storage", show);
  document.addEventListener("visibilitychange", show);
  addEventListener("focus", show);

  show();
  root.hidden = false;
}
