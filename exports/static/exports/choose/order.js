// Positions of columns in the list, and the search for columns. No DOM.

// Returns the index at which an item dropped at `y` belongs. `middles` are the vertical middles of
// the other items from top to bottom.
export function indexAt(middles, y) {
  const index = middles.findIndex((middle) => y < middle);
  return index < 0 ? middles.length : index;
}

// Returns the index to which `key` moves the column at `index` of `count`, or null if the key does
// not move it.
export function indexAfterKey(key, index, count) {
  const targets = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: count - 1 };
  const target = targets[key];
  return target === undefined || target === index || target < 0 || target >= count ? null : target;
}

// Returns whether each word of `query` is in one of `texts`.
export function matches(texts, query) {
  const lower = texts.map((text) => text.toLocaleLowerCase());
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => lower.some((text) => text.includes(word)));
}
