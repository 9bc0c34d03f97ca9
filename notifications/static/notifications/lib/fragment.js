// Inserts fragments of HTML that the server has rendered.

// Returns the content of `html`, which comes from our own server. Scripts in it do not run.
export function contentOf(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

// Replaces `old` with `element`, and keeps the focus on the control with the same action. If there is
// none, the first control gets the focus.
export function replace(old, element) {
  const focused = focusables(old).find((each) => each === document.activeElement);
  old.replaceWith(element);
  if (!focused) return;
  const all = focusables(element);
  const same = all.find((each) => actionOf(each) === actionOf(focused));
  (same ?? all[0])?.focus({ preventScroll: true });
}

function focusables(element) {
  return [...element.querySelectorAll("a[href], button")];
}

function actionOf(each) {
  return each.href ?? each.dataset.copy ?? each.getAttribute("formaction") ?? each.form?.action;
}
