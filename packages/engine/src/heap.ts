/**
 * A binary heap of objects that know where they are in it: each keeps its index in the property `K`, so that any of them
 * can be removed or moved in O(log n). An object is in one heap for each such property; −1: in none.
 */
export class Heap<K extends string, T extends Record<K, number>> {
  readonly #items: T[] = [];
  readonly #index: K;
  readonly #before: (a: T, b: T) => boolean;

  constructor(index: K, before: (a: T, b: T) => boolean) {
    this.#index = index;
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return item[this.#index] !== -1;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#set(this.#items.length - 1, item);
    this.#up(this.#items.length - 1);
  }

  remove(item: T): void {
    const at = item[this.#index];
    if (this.#items[at] !== item) throw new Error('the item is not in this heap');
    const last = this.#items.pop() as T;
    this.#set(-1, item);
    if (last === item) return;
    this.#set(at, last);
    this.moved(last);
  }

  /** Call when the order of `item` has changed. */
  moved(item: T): void {
    this.#up(item[this.#index]);
    this.#down(item[this.#index]);
  }

  #set(at: number, item: T): void {
    if (at !== -1) this.#items[at] = item;
    (item as Record<K, number>)[this.#index] = at;
  }

  #up(from: number): void {
    let at = from;
    const item = this.#items[at] as T;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#items[above] as T;
      if (!this.#before(item, parent)) break;
      this.#set(at, parent);
      at = above;
    }
    this.#set(at, item);
  }

  #down(from: number): void {
    let at = from;
    const item = this.#items[at] as T;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#items.length) break;
      const right = left + 1;
      const least =
        right < this.#items.length && this.#before(this.#items[right] as T, this.#items[left] as T) ? right : left;
      const child = this.#items[least] as T;
      if (!this.#before(child, item)) break;
      this.#set(at, child);
      at = least;
    }
    this.#set(at, item);
  }
}
