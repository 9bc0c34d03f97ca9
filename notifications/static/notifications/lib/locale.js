// The locale for dates: the language of the page, in the reader's regional variant.

// Dates in London differ from dates in New York. So this returns the first of the reader's own
// locales that has the language of the page.
export function locale(
  lang = document.documentElement.lang || "en",
  own = globalThis.navigator?.languages ?? [],
) {
  return own.find((each) => each === lang || each.startsWith(`${lang}-`)) ?? lang;
}
