// Browser notifications, for users who have enabled them in this browser, while no tab is visible.

const KEY = "waybill.desktop"; // The key has the user's id, too: each user decides for themselves.

const browser = {
  api: globalThis.Notification,
  isSecure: globalThis.isSecureContext,
  // A function, because reading the property throws if the browser blocks storage.
  storage: () => globalThis.localStorage,
};

export class Desktop {
  #key;
  #env;
  #isImpossible = false; // Chrome on Android has the constructor, but it always throws.

  constructor({ user, env = {} }) {
    this.#key = `${KEY}.${user}`;
    this.#env = { ...browser, ...env };
  }

  // "on", "off", "denied" (by the user, in the browser), "missing" (the browser has no
  // notifications) or "insecure" (the page was loaded over plain HTTP). The inbox page has a text
  // for each.
  get state() {
    const { api, isSecure } = this.#env;
    if (!isSecure) return "insecure"; // Browsers report "denied" here, although nobody denied it.
    if (!api || this.#isImpossible) return "missing";
    if (api.permission === "denied") return "denied";
    return api.permission === "granted" && this.#isWanted ? "on" : "off";
  }

  // Call this from a click handler, because browsers ask for permission only then. `sample` is the
  // text of a first notification, which shows the user that it works.
  async enable(sample) {
    const { api, storage } = this.#env;
    if ((await api.requestPermission()) !== "granted") return;
    try {
      storage().setItem(this.#key, "on");
      new api(sample, { tag: this.#key });
    } catch {
      this.#isImpossible = true;
      this.disable();
    }
  }

  disable() {
    try {
      this.#env.storage().removeItem(this.#key);
    } catch {
      // Storage is blocked, so nothing is stored.
    }
  }

  // A notification replaces an earlier one with the same `name`. `onClick` is called when the user
  // clicks it.
  show({ name, title, body, lang }, onClick) {
    const shown = new this.#env.api(title, { body, lang, tag: `waybill ${name}` });
    shown.onclick = () => {
      shown.close();
      onClick();
    };
  }

  get #isWanted() {
    try {
      return this.#env.storage().getItem(this.#key) !== null;
    } catch {
      return false;
    }
  }
}
