// Lets cards that are out of view rest: css/card.css says how. Fifty icons that turn and fifty
// bars that move would keep a browser busy, though nobody sees them.

export class Rest {
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      // Only what has been drawn: it keeps its height, and so nothing moves.
      target.toggleAttribute("data-away", !isIntersecting);
      if (!target.isConnected) this.#observer.unobserve(target);
    }
  });

  watch(card) {
    this.#observer.observe(card);
  }
}
