// How high the lines of a log are, and so where each begins: as measured where it was drawn,
// as estimated elsewhere. Lines wrap, so no two need be alike.

export class Heights {
  estimate;
  #count = 0;
  // A Fenwick tree of what the measured ones differ by from the estimate. To change one, and
  // to sum all before one, takes some seventeen steps among 100 000.
  #sums = new Float64Array(1);
  #differences = new Float64Array(0);

  constructor(estimate, count) {
    this.estimate = estimate;
    this.grow(count);
  }

  get total() {
    return this.top(this.#count);
  }

  // There are `count` lines now.
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

  // Where the line at `index` begins.
  top(index) {
    let sum = index * this.estimate;
    for (let node = index; node > 0; node -= node & -node) sum += this.#sums[node];
    return sum;
  }

  // The line that is at `y`, the first or last one beyond the ends.
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

  // The lines from `top` for `height`, and those `margin` around: from the first to before
  // the last.
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
