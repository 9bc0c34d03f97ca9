// Where a column goes, and which are looked for. No DOM.

// Before which of the items, by where their middles are from top to bottom, something at `y`
// belongs. Their number: after all of them.
export function placeAt(middles, y) {
  const index = middles.findIndex((middle) => y < middle);
  return index < 0 ? middles.length : index;
}

// What a key does to the column whose button has the focus: where it goes, among `count`.
// Null: nothing.
export function placeBy(key, place, count) {
  const places = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: count - 1 };
  const there = places[key];
  return there === undefined || there === place || there < 0 || there >= count ? null : there;
}

// Whether each word of what is looked for is in one of the texts.
export function isLike(texts, wanted) {
  const lower = texts.map((text) => text.toLocaleLowerCase());
  const words = wanted.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => lower.some((text) => text.includes(word)));
}
