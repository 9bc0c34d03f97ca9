// Renders the lines of a log and keeps the scroll position. If there are few, all are rendered, so
// that the browser's own search finds them. Otherwise only those in view are.

import { Heights } from "./heights.js";
import { firstIndex } from "./lines.js";

// The layout of this many lines takes a tenth of a second, each time that the width changes.
const FEW = 2000;
// Lines are rendered this far beyond the edges, because they appear before the next scroll event.
const MARGIN_PX = 1000;
// A log counts as scrolled to its end within this distance.
const SLACK_PX = 8;
// New lines are measured after they are rendered. Then more or fewer of them fit, so the range is
// computed again, at most this many times.
const ROUNDS = 6;

export class View {
  #box;
  #list;
  #render;
  #onFollow;
  #lines = [];
  #heights = new Heights(1, 0);
  #isStale = true; // The heights are those of another width or of other lines.
  #rendered = new Map(); // line -> element
  // The line at the upper edge of the box, and how much of it is above the edge. It keeps its place
  // when other lines change.
  #anchor = { index: 0, hidden: 0 };
  #scrolled = 0; // The scroll position that this script has set.
  #isFollowing = true;

  // `render(line)` returns an element. `onFollow(isFollowing)` is called when the user has scrolled.
  // A view that follows always shows the last line.
  constructor({ box, list, render, onFollow }) {
    this.#box = box;
    this.#list = list;
    this.#render = render;
    this.#onFollow = onFollow;
    box.addEventListener("scroll", () => this.#scroll());
    new ResizeObserver(() => this.#measureAgain()).observe(box);
  }

  // Takes over the elements that the server rendered.
  adopt(lines, elements) {
    lines.forEach((line, index) => this.#rendered.set(line, elements[index]));
    this.show(lines);
  }

  // Shows other lines. The line at the upper edge stays there. If it is gone, the next one does.
  show(lines) {
    const offset = this.#lines[this.#anchor.index]?.offset ?? 0;
    const index = firstIndex(lines, (line) => line.offset >= offset);
    const isSame = lines[index]?.offset === offset;
    this.#anchor = { index, hidden: isSame ? this.#anchor.hidden : 0 };
    this.#lines = lines;
    this.#measureAgain();
  }

  // Renders lines that were added at the end.
  grow() {
    this.#heights.grow(this.#lines.length);
    this.#draw();
  }

  // Calls `paint(element, line)` for each rendered line.
  repaint(paint) {
    for (const [line, element] of this.#rendered) paint(element, line);
  }

  follow(isFollowing) {
    this.#isFollowing = isFollowing;
    this.#draw();
  }

  // Scrolls until the line at `index` is a third of the height below the upper edge, and stops
  // following.
  reveal(index) {
    this.#isFollowing = false;
    this.#anchor = { index, hidden: -this.#box.clientHeight / 3 };
    this.#draw();
    this.#findAnchor();
  }

  get firstVisible() {
    return this.#anchor.index;
  }

  // The lines that contain a part of the selection, in their order.
  get selectedLines() {
    const selection = getSelection();
    if (selection.isCollapsed) return [];
    return [...this.#rendered]
      .filter(([, element]) => selection.containsNode(element, true))
      .map(([line]) => line)
      .sort((one, other) => one.offset - other.offset);
  }

  #scroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#box;
    if (Math.abs(scrollTop - this.#scrolled) < 1) return; // The script has scrolled, not the user.
    this.#scrolled = scrollTop;
    // A user who scrolls up wants to read, and one who returns to the end wants to follow.
    this.#isFollowing = scrollTop + clientHeight >= scrollHeight - SLACK_PX;
    this.#findAnchor();
    this.#draw();
    this.#onFollow(this.#isFollowing);
  }

  #measureAgain() {
    this.#heights = new Heights(this.#heights.estimate, this.#lines.length);
    this.#isStale = true;
    this.#draw();
  }

  // Finds the line at the upper edge.
  #findAnchor() {
    const y = this.#box.scrollTop;
    const index = this.#heights.at(y);
    this.#anchor = { index, hidden: y - this.#heights.top(index) };
  }

  #draw() {
    let range;
    for (let round = 0; round < ROUNDS; round += 1) {
      const [first, last] = this.#window();
      if (range && range[0] === first && range[1] === last) break;
      this.#renderRange(first, last);
      range = [first, last];
    }
    this.#pad(...range);
    const { scrollHeight, scrollTop } = this.#box;
    const wanted = this.#isFollowing ? scrollHeight : this.#top;
    if (Math.abs(wanted - scrollTop) >= 1) this.#box.scrollTop = wanted;
    this.#scrolled = this.#box.scrollTop;
    if (this.#isFollowing) this.#findAnchor();
  }

  get #top() {
    return this.#heights.top(this.#anchor.index) + this.#anchor.hidden;
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

  // Renders the lines from `first` to before `last`. Elements that stay are not moved, because the
  // user may have selected their text.
  #renderRange(first, last) {
    const wanted = this.#lines.slice(first, last);
    const kept = new Set(wanted);
    for (const [line, element] of this.#rendered) {
      if (kept.has(line)) continue;
      element.remove();
      this.#rendered.delete(line);
    }
    const unmeasured = [];
    let next = this.#list.firstElementChild;
    wanted.forEach((line, index) => {
      const known = this.#rendered.get(line);
      const element = known ?? this.#render(line);
      if (element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(element, next);
      this.#number(element, first + index);
      if (!known) this.#rendered.set(line, element);
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

  // If not all lines are rendered, screen readers need the number of each. Their count changes all
  // the time, so it is -1, which means unknown.
  #number(element, index) {
    element.ariaPosInSet = this.#isWhole ? null : index + 1;
    element.ariaSetSize = this.#isWhole ? null : -1;
  }

  // Keeps the space of the lines that are not rendered.
  #pad(first, last) {
    const { total } = this.#heights;
    this.#list.style.paddingBlockStart = `${this.#heights.top(first)}px`;
    this.#list.style.paddingBlockEnd = `${this.#isWhole ? 0 : total - this.#heights.top(last)}px`;
  }
}
