// Pauses the animations of cards outside the viewport: fifty animated icons and bars keep a
// browser busy although nobody sees them. css/card.css has the rule for [data-offscreen].

export class PauseOffscreen {
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      // A card is first drawn and then paused, so it keeps its height and nothing moves.
      target.toggleAttribute("data-offscreen", !isIntersecting);
      if (!target.isConnected) this.#observer.unobserve(target);
    }
  });

  observe(card) {
    this.#observer.observe(card);
  }
}
