// The lines before those that came with the page.

const LIMIT = 10_000; // exports/log/read.py's most: one answer for a log of the usual length.

// Yields the lines before the offset `before`, the oldest first, an answer at a time.
// `ask(url)` gives what the API answers; it does not come back before there is an answer.
export async function* earlier(url, before, ask) {
  let after = "";
  for (;;) {
    const page = await ask(`${url}?limit=${LIMIT}${after}`);
    // Another stream than the page's. The socket says so, too, and then sends all.
    if (page.reset) return;
    const lines = page.lines.filter(({ offset }) => offset < before);
    yield lines;
    if (!page.more || lines.length < page.lines.length) return;
    after = `&after=${encodeURIComponent(page.cursor)}`;
  }
}
