// The heights of a log's lines, and so their positions. Rendered lines have a measured height, and
// others an estimated one. Lines wrap, so their heights differ.

export class Heights {
  estimate;
  #count = 0;
  // A Fenwick tree of the differences between measured heights and the estimate. Changing one
  // height, or summing all before a line, takes 17 steps for 100 000 lines.
  #sums = new Float64Array(1);
  #differences = new Float64Array(0);

  constructor(estimate, count) {
    this.estimate = estimate;
    this.grow(count);
  }

  get total() {
    return this.top(this.#count);
  }

  // Sets the number of lines, which never decreases.
  grow(count) {
    this.#count = count;
    if (count <= this.#differences.length) return;
    const old = this.#differences;
    const size = 2 ** Math.ceil(Math.log2(count + 1));
    this.#differences = new Float64Array(size);
    this.#sums = new Float64Array(size + 1);
    old.forEach((difference, index) => difference && this.#add(index, difference));
  }

  set(index, height) {
    const more = height - this.estimate - this.#differences[index];
    if (more) this.#add(index, more);
  }

  // Returns the top of the line at `index`.
  top(index) {
    let sum = index * this.estimate;
    for (let node = index; node > 0; node -= node & -node) sum += this.#sums[node];
    return sum;
  }

  // Returns the index of the line at `y`. Beyond the ends it is the first or last line.
  at(y) {
    let index = 0;
    let left = y;
    for (let step = this.#differences.length; step >= 1; step /= 2) {
      if (index + step > this.#count) continue;
      const height = step * this.estimate + this.#sums[index + step];
      if (height > left) continue;
      index += step;
      left -= height;
    }
    return Math.max(0, Math.min(index, this.#count - 1));
  }

  // Returns the range of lines, without its end, that are visible from `top` for `height`, with a
  // `margin` on both sides.
  window(top, height, margin) {
    if (this.#count === 0) return [0, 0];
    return [this.at(top - margin), this.at(top + height + margin) + 1];
  }

  #add(index, more) {
    this.#differences[index] += more;
    for (let node = index + 1; node < this.#sums.length; node += node & -node) {
      this.#sums[node] += more;
    }
  }
}
