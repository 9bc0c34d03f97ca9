// Fetches the lines before those that the server rendered into the page.

const LIMIT = 10_000; // The API's maximum (exports/log/read.py). Most logs fit in one page.

// Yields the lines before the offset `before`, oldest first, one page of the API at a time.
// `fetchPage(url)` resolves only when it has a page.
export async function* earlierLines(url, before, fetchPage) {
  let after = "";
  for (;;) {
    const page = await fetchPage(`${url}?limit=${LIMIT}${after}`);
    // The stream was reset. The socket reports that, too, and then sends all lines.
    if (page.reset) return;
    const lines = page.lines.filter(({ offset }) => offset < before);
    yield lines;
    if (!page.more || lines.length < page.lines.length) return;
    after = `&after=${encodeURIComponent(page.cursor)}`;
  }
}
