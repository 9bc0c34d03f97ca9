// How many notifications are unread, kept from what the user's stream brings.

export const KEY = "inbox"; // of the retained value that says how far all was read

export class Unread {
  #types;
  #isReset = false;

  // `state`: what the server counted, {read_offset, unread, head}: up to the event `head`,
  // and none after it. `types`: the events that are notifications.
  constructor(state, types) {
    this.state = state;
    this.#types = new Set(types);
  }

  get count() {
    return this.state.unread;
  }

  // A count of the server's: somebody has read, here or on another device. Answers may
  // overtake each other, and an older one says nothing new.
  update(state) {
    const { read_offset, head } = this.state;
    const isOlder = state.read_offset < read_offset || state.head < head;
    if (isOlder && !this.#isReset) return;
    this.state = state;
    this.#isReset = false;
  }

  // The stream begins anew. What it brings is counted when the server has said from where.
  forget() {
    this.#isReset = true;
  }

  // Whether an event of the stream is a notification.
  isNotification({ event }) {
    return this.#types.has(event);
  }

  // An event of the stream. True if it is a notification that was not counted before.
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

// "5 minutes ago", "yesterday"; the date when it is longer ago than a week.
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
