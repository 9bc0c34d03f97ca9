// Timers by name. Arming one again restarts it, and all can be disarmed at once.

// The timeout for the beginning of any response.
export const ANSWER_MS = 10_000;

export class Timers {
  #env;
  #ids = new Map();

  constructor(env) {
    this.#env = env;
  }

  has(name) {
    return this.#ids.has(name);
  }

  arm(name, ms, callback) {
    this.disarm(name);
    const fire = () => {
      this.#ids.delete(name);
      callback();
    };
    this.#ids.set(name, this.#env.setTimeout(fire, ms));
  }

  disarm(name) {
    this.#env.clearTimeout(this.#ids.get(name));
    this.#ids.delete(name);
  }

  disarmAll() {
    for (const name of [...this.#ids.keys()]) this.disarm(name);
  }
}
