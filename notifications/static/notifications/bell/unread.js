// Counts unread notifications from the events and values of the user's stream.

export const KEY = "inbox"; // The key of the retained value with the read position.

export class Unread {
  #types;
  #isReset = false;

  // `state` is the server's count {read_offset, unread, head}, which includes events up to `head`.
  // `types` are the types of events that are notifications.
  constructor(state, types) {
    this.state = state;
    this.#types = new Set(types);
  }

  get count() {
    return this.state.unread;
  }

  // Takes a new count of the server, after the user has read on this or another device. Responses
  // may arrive out of order, so an older count is ignored.
  update(state) {
    const { read_offset, head } = this.state;
    const isOlder = state.read_offset < read_offset || state.head < head;
    if (isOlder && !this.#isReset) return;
    this.state = state;
    this.#isReset = false;
  }

  // The stream was reset. Events are not counted until the server sends a new count.
  forget() {
    this.#isReset = true;
  }

  // Returns whether an event of the stream is a notification.
  isNotification({ event }) {
    return this.#types.has(event);
  }

  // Counts an event of the stream. Returns true if it is a notification that was not counted yet.
  take(frame) {
    const { offset } = frame;
    if (this.#isReset || offset <= this.state.head || !this.isNotification(frame)) return false;
    this.state = { ...this.state, unread: this.count + 1, head: offset };
    return true;
  }
}

// A badge has room for two digits.
export function badge(count) {
  return count > 99 ? "99+" : String(count);
}

const STEPS = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
];

// Returns "5 minutes ago" or "yesterday", or the date after more than a week.
export function ago(date, now = new Date(), locale = undefined) {
  let passed = Math.max(0, (now - date) / 1000);
  for (const [unit, next] of STEPS) {
    if (passed < next) {
      const whole = Math.floor(passed);
      return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-whole, unit);
    }
    passed /= next;
  }
  return date.toLocaleDateString(locale, { dateStyle: "medium" });
}
