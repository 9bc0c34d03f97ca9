// How the reader of a page writes dates, in the language that the page is in.

// Who reads English in London has other dates than who reads it in New York: of the reader's
// own languages, the first that is the page's.
export function locale(
  lang = document.documentElement.lang || "en",
  own = globalThis.navigator?.languages ?? [],
) {
  return own.find((each) => each === lang || each.startsWith(`${lang}-`)) ?? lang;
}
