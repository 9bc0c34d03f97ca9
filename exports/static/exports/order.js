// Where a column goes. No DOM.

// Before which of the items, by where their middles are from top to bottom, something at `y`
// belongs. Their number: after all of them.
export function placeAt(middles, y) {
  const index = middles.findIndex((middle) => y < middle);
  return index < 0 ? middles.length : index;
}
