// Shows above the admin's list how many new exports the list does not contain. They are not
// inserted, because rows that move could make the user click the wrong one.

const CHECK_MS = 10_000;

// Returns how many of `ids` are not in the set `seen`.
export function countUnseen(ids, seen) {
  return ids.filter((id) => !seen.has(id)).length;
}

// `notice` is the hidden notice. Its data has the URL to request and the ids to ignore.
export function attach(notice) {
  const { url, seen } = JSON.parse(notice.dataset.news);
  const listed = [...document.querySelectorAll("[data-export]")].map((cell) => cell.dataset.export);
  const known = new Set([...seen, ...listed]);

  async function check() {
    if (document.hidden) return;
    const ids = await fetchIds(url);
    if (ids) show(notice, countUnseen(ids, known));
  }

  setInterval(check, CHECK_MS);
  document.addEventListener("visibilitychange", check);
}

function show(notice, count) {
  const text = count ? notice.dataset.text.replace("{count}", count) : "";
  const element = notice.querySelector("span");
  // Screen readers announce each assignment, so an unchanged text is not assigned again.
  if (element.textContent !== text) element.textContent = text;
  notice.hidden = !count;
}

// Returns null if the server was not reached or the user is signed out. The next check tries again.
async function fetchIds(url) {
  try {
    const response = await fetch(url, { redirect: "manual" });
    return response.ok ? (await response.json()).ids : null;
  } catch {
    return null;
  }
}
