// Which lines of a log are elements, and where they are in its box: all as long as there are
// few, so that the browser's own search finds them; beyond that those in view.

import { Heights } from "./heights.js";
import { firstIndex } from "./lines.js";

// To lay out so many takes a tenth of a second, each time that the box changes its width.
const FEW = 2000;
// Drawn beyond the edges: what comes into view before the next scroll event is told.
const MARGIN_PX = 1000;
// Within this of its end a log counts as read to the end.
const SLACK_PX = 8;
// What is drawn is measured, and then more or less of it fits.
const ROUNDS = 6;

export class View {
  #box;
  #list;
  #render;
  #told;
  #lines = [];
  #heights = new Heights(1, 0);
  #isStale = true; // the heights are of another width, or of other lines
  #drawn = new Map(); // line -> element
  // The line at the upper edge of the box, and how much of it is beyond. This is what stays.
  #place = { index: 0, hidden: 0 };
  #scrolled = 0; // where we have put the box ourselves
  #isFollowing = true;

  // `render(line)` makes an element. `told(isFollowing)` hears when the reader has scrolled.
  constructor({ box, list, render, told }) {
    this.#box = box;
    this.#list = list;
    this.#render = render;
    this.#told = told;
    box.addEventListener("scroll", () => this.#scroll());
    new ResizeObserver(() => this.#measureAnew()).observe(box);
  }

  // These elements are there already.
  adopt(lines, elements) {
    lines.forEach((line, index) => this.#drawn.set(line, elements[index]));
    this.show(lines);
  }

  // Other lines than before. What was at the upper edge stays there, or what comes after it.
  show(lines) {
    const offset = this.#lines[this.#place.index]?.offset ?? 0;
    const index = firstIndex(lines, (line) => line.offset >= offset);
    const isSame = lines[index]?.offset === offset;
    this.#place = { index, hidden: isSame ? this.#place.hidden : 0 };
    this.#lines = lines;
    this.#measureAnew();
  }

  // More at the end of the same.
  grow() {
    this.#heights.grow(this.#lines.length);
    this.#draw();
  }

  // Change each element that there is.
  repaint(paint) {
    for (const [line, element] of this.#drawn) paint(element, line);
  }

  follow(isFollowing) {
    this.#isFollowing = isFollowing;
    this.#draw();
  }

  // Bring the line at `index` into view, a third below the upper edge, and stay there.
  reveal(index) {
    this.#isFollowing = false;
    this.#place = { index, hidden: -this.#box.clientHeight / 3 };
    this.#draw();
    this.#look();
  }

  get firstVisible() {
    return this.#place.index;
  }

  // The lines of which something is selected, in their order.
  get touched() {
    const selection = getSelection();
    if (selection.isCollapsed) return [];
    return [...this.#drawn]
      .filter(([, element]) => selection.containsNode(element, true))
      .map(([line]) => line)
      .sort((one, other) => one.offset - other.offset);
  }

  #scroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#box;
    if (Math.abs(scrollTop - this.#scrolled) < 1) return; // It was us.
    this.#scrolled = scrollTop;
    // Who scrolls up wants to read; who returns to the end wants to follow.
    this.#isFollowing = scrollTop + clientHeight >= scrollHeight - SLACK_PX;
    this.#look();
    this.#draw();
    this.#told(this.#isFollowing);
  }

  #measureAnew() {
    this.#heights = new Heights(this.#heights.estimate, this.#lines.length);
    this.#isStale = true;
    this.#draw();
  }

  // See which line is at the upper edge.
  #look() {
    const y = this.#box.scrollTop;
    const index = this.#heights.at(y);
    this.#place = { index, hidden: y - this.#heights.top(index) };
  }

  #draw() {
    let drawn;
    for (let round = 0; round < ROUNDS; round += 1) {
      const [first, last] = this.#window();
      if (drawn && drawn[0] === first && drawn[1] === last) break;
      this.#put(first, last);
      drawn = [first, last];
    }
    this.#pad(...drawn);
    const { scrollHeight, scrollTop } = this.#box;
    const wanted = this.#isFollowing ? scrollHeight : this.#top;
    if (Math.abs(wanted - scrollTop) >= 1) this.#box.scrollTop = wanted;
    this.#scrolled = this.#box.scrollTop;
    if (this.#isFollowing) this.#look();
  }

  get #top() {
    return this.#heights.top(this.#place.index) + this.#place.hidden;
  }

  get #isWhole() {
    return this.#lines.length <= FEW;
  }

  #window() {
    if (this.#isWhole) return [0, this.#lines.length];
    const { clientHeight } = this.#box;
    const top = this.#isFollowing ? this.#heights.total - clientHeight : this.#top;
    return this.#heights.window(top, clientHeight, MARGIN_PX);
  }

  // Let the lines from `first` to before `last` be the elements of the list. Those that stay
  // are not touched: somebody may have selected their text.
  #put(first, last) {
    const wanted = this.#lines.slice(first, last);
    const kept = new Set(wanted);
    for (const [line, element] of this.#drawn) {
      if (kept.has(line)) continue;
      element.remove();
      this.#drawn.delete(line);
    }
    const unmeasured = [];
    let next = this.#list.firstElementChild;
    wanted.forEach((line, index) => {
      const known = this.#drawn.get(line);
      const element = known ?? this.#render(line);
      if (element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(element, next);
      this.#number(element, first + index);
      if (!known) this.#drawn.set(line, element);
      if (!known || this.#isStale) unmeasured.push([first + index, element]);
    });
    this.#measure(unmeasured);
  }

  #measure(elements) {
    const measured = elements.map(([index, element]) => [
      index,
      element.getBoundingClientRect().height,
    ]);
    if (this.#isStale && measured.length > 0) {
      const sum = measured.reduce((all, [, height]) => all + height, 0);
      this.#heights = new Heights(sum / measured.length, this.#lines.length);
      this.#isStale = false;
    }
    for (const [index, height] of measured) this.#heights.set(index, height);
  }

  // Where not all are there, each says which it is. How many there are changes all the time.
  #number(element, index) {
    element.ariaPosInSet = this.#isWhole ? null : index + 1;
    element.ariaSetSize = this.#isWhole ? null : -1;
  }

  // The room of those that are not drawn.
  #pad(first, last) {
    const { total } = this.#heights;
    this.#list.style.paddingBlockStart = `${this.#heights.top(first)}px`;
    this.#list.style.paddingBlockEnd = `${this.#isWhole ? 0 : total - this.#heights.top(last)}px`;
  }
}
