// Browser notifications: for who has asked for them in this browser, while no tab is looked at.

const KEY = "waybill.desktop"; // and the user: what one allows, another may not want

const browser = {
  api: globalThis.Notification,
  isSecure: globalThis.isSecureContext,
  // Even to name it is refused where a page may keep nothing.
  storage: () => globalThis.localStorage,
};

export class Desktop {
  #key;
  #env;
  #isImpossible = false; // It has the name only: Chrome on Android.

  constructor({ user, env = {} }) {
    this.#key = `${KEY}.${user}`;
    this.#env = { ...browser, ...env };
  }

  // "on" · "off" · "denied": the browser has been told not to · "missing": it has none ·
  // "insecure": not over plain HTTP. Each has its sentence in the page of the inbox.
  get state() {
    const { api, isSecure } = this.#env;
    if (!isSecure) return "insecure"; // There browsers say "denied", which nobody did.
    if (!api || this.#isImpossible) return "missing";
    if (api.permission === "denied") return "denied";
    return api.permission === "granted" && this.#isWanted ? "on" : "off";
  }

  // In answer to a click: else browsers do not ask. `sample` shows what they will be like,
  // and that there are any.
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
      // Nothing is kept.
    }
  }

  // `name` is the notification's: one that has it already takes the place of the other.
  show({ name, title, body, lang }, followed) {
    const shown = new this.#env.api(title, { body, lang, tag: `waybill ${name}` });
    shown.onclick = () => {
      shown.close();
      followed();
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
