// Decides which of a user's tabs announces a notification: exactly one, and preferably a visible
// one.

// How long a claim is held. A tab that gets the event later finds it too old to announce.
export const HELD_MS = 60_000;

// The delay before a tab claims. The tab with the focus has none and comes first, then other
// visible windows. Hidden tabs, whose timers browsers slow down to a second, come last.
export const BESIDE_MS = 150;
export const HIDDEN_MS = 1000;

export function claimDelay({ isHidden, hasFocus }) {
  if (isHidden) return HIDDEN_MS;
  return hasFocus ? 0 : BESIDE_MS;
}

// Resolves to true if this tab may announce `name`. All tabs share the lock, and a tab that does
// not get it at once gives up. Browsers have locks only over HTTPS and on localhost. Elsewhere each
// visible window announces. There are no browser notifications there, so none is shown twice.
export function claim(name, { locks, setTimeout }) {
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks.request(`waybill ${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((release) => setTimeout(release, HELD_MS));
    });
  });
}
