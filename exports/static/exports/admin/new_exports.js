// Says in a list that there are exports which it does not show. It shows them when it is made
// anew: rows that came by themselves would move others from under the pointer.

const NEWS_MS = 10_000;

// How many of `ids` a list has not seen.
export function unseen(ids, seen) {
  return ids.filter((id) => !seen.has(id)).length;
}

// `notice` is hidden, and says where to ask, and what was seen.
export function watch(notice) {
  const { url, seen } = JSON.parse(notice.dataset.news);
  const shown = [...document.querySelectorAll("[data-export]")].map((cell) => cell.dataset.export);
  const known = new Set([...seen, ...shown]);

  async function look() {
    if (document.hidden) return;
    const ids = await ask(url);
    if (ids) show(notice, unseen(ids, known));
  }

  setInterval(look, NEWS_MS);
  document.addEventListener("visibilitychange", look);
}

function show(notice, count) {
  const text = count ? notice.dataset.text.replace("{count}", count) : "";
  const place = notice.querySelector("span");
  // Only what is new is read out.
  if (place.textContent !== text) place.textContent = text;
  notice.hidden = !count;
}

// Null when nobody answers, or nobody is signed in: it is asked again.
async function ask(url) {
  try {
    const response = await fetch(url, { redirect: "manual" });
    return response.ok ? (await response.json()).ids : null;
  } catch {
    return null;
  }
}
