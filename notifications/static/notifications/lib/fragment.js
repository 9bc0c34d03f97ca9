// Fragments of pages that the server has made: how they take their place.

// The content of `html`, which is our own server's. Scripts in it do not run.
export function contentOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Put `element` where `old` is, and the focus where it was: on what does the same. If nothing
// does any more, on the first, and never on a button that does something else.
export function replace(old, element) {
  const focused = focusables(old).find((each) => each === document.activeElement);
  old.replaceWith(element);
  if (!focused) return;
  const all = focusables(element);
  const same = all.find((each) => does(each) === does(focused));
  (same ?? all[0])?.focus({ preventScroll: true });
}

function focusables(element) {
  return [...element.querySelectorAll("a[href], button")];
}

function does(each) {
  return each.href ?? each.dataset.copy ?? each.getAttribute("formaction") ?? each.form?.action;
}
