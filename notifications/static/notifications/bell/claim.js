// Which of a user's tabs tells of a notification: one of them, and one that is looked at
// before one that is not.

// Long enough that whoever hears of it later finds it too old to tell.
export const HELD_MS = 60_000;

// A tab waits so long before it claims. Whoever has the focus is first, then a window beside
// it; and hidden tabs, whose timers browsers slow down to a second, only if there was neither.
export const BESIDE_MS = 150;
export const HIDDEN_MS = 1000;

export function claimDelay({ isHidden, hasFocus }) {
  if (isHidden) return HIDDEN_MS;
  return hasFocus ? 0 : BESIDE_MS;
}

// Whether `name` is this tab's to tell. The lock is one over all tabs, and is not waited for.
// Browsers have locks where there is TLS, and on the machine itself. Elsewhere each visible
// window tells: no browser notification can be had there, which would be worse to get twice.
export function claim(name, { locks, setTimeout }) {
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks.request(`waybill ${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise((release) => setTimeout(release, HELD_MS));
    });
  });
}
