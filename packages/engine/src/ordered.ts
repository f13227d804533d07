/**
 * An ordered collection: items sorted by a key, of which no two are equal. A walk may begin at any key, so a page of a list
 * costs what it shows, and nothing for the items before it.
 *
 * The items lie in sorted blocks of at most 512, and the blocks in one array. An item costs 8 to 32 bytes here and has no
 * object of its own. Adding at the end, the usual case, is O(1); all else is a binary search and a move within one block.
 *
 * A walk may be interleaved with changes. It yields each item that is there throughout exactly once, in order.
 */
import { BrokenInvariant } from './invariant.ts';

export interface Order<K, T> {
  /** Must not change while the item is in a collection. */
  key(item: T): K;
  /** Below 0: `a` comes first. 0: they are equal. */
  compare(a: K, b: K): number;
}

const BLOCK_MAX = 512;
const HALF = BLOCK_MAX / 2;
/** A block this short is joined with its neighbour if both fit in half a block, so that a shrunken collection stays compact. */
const BLOCK_SHORT = BLOCK_MAX / 4;
/** A position is one number, `block * STRIDE + index`; the index may be the block's length. */
const STRIDE_BITS = 10;
const STRIDE = 1 << STRIDE_BITS;

const NONE: readonly never[] = [];

export class Ordered<K, T extends object> {
  readonly #order: Order<K, T>;
  /** Invariant: no block is empty, and each block ends before the next begins. */
  #blocks: T[][] = NONE as readonly T[][] as T[][];
  #size = 0;

  constructor(order: Order<K, T>) {
    this.#order = order;
  }

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#blocks[0]?.[0];
  }

  get(key: K): T | undefined {
    const at = this.#seek(key);
    const item = this.#blocks[blockOf(at)]?.[indexOf(at)];
    return item !== undefined && this.#compare(item, key) === 0 ? item : undefined;
  }

  /** Throws if an item with this key is there already. */
  add(item: T): void {
    const key = this.#order.key(item);
    const last = this.#blocks.at(-1);
    if (!last) {
      this.#blocks = [[item]];
    } else if (this.#compare(last.at(-1) as T, key) < 0) {
      if (last.length < BLOCK_MAX) last.push(item);
      else this.#blocks.push([item]);
    } else {
      this.#insert(item, key);
    }
    this.#size += 1;
  }

  /** Throws if it is not there. */
  remove(item: T): void {
    const at = this.#positionOf(item);
    const block = this.#blocks[blockOf(at)];
    const index = indexOf(at);
    if (block?.[index] !== item) throw new BrokenInvariant('the item is not in this collection');
    if (index === block.length - 1) block.pop();
    else block.splice(index, 1);
    this.#size -= 1;
    if (block.length <= BLOCK_SHORT) this.#shrink(blockOf(at));
  }

  /** The item's position, if it is there. The first and the last item, which leave most often, need no search. */
  #positionOf(item: T): number {
    const blocks = this.#blocks;
    if (blocks[0]?.[0] === item) return 0;
    const last = blocks.at(-1);
    if (last?.at(-1) === item) return (blocks.length - 1) * STRIDE + last.length - 1;
    return this.#seek(this.#order.key(item));
  }

  /** How many have a key before this one. */
  countBefore(key: K): number {
    const at = this.#seek(key);
    let count = indexOf(at);
    for (let block = 0; block < blockOf(at); block += 1) count += (this.#blocks[block] as T[]).length;
    return count;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#walk(0);
  }

  /** The item with this key, if there is one, and all that follow. */
  from(key: K): IterableIterator<T> {
    return this.#walk(this.#seek(key));
  }

  /** All that follow this key, whether or not an item has it. */
  after(key: K): IterableIterator<T> {
    return this.#walk(this.#seekAfter(key));
  }

  /** All but the first `count`. */
  skip(count: number): IterableIterator<T> {
    let block = 0;
    let left = count;
    for (let length = this.#blocks[0]?.length; length !== undefined && left >= length; ) {
      left -= length;
      block += 1;
      length = this.#blocks[block]?.length;
    }
    return this.#walk(block * STRIDE + (block < this.#blocks.length ? left : 0));
  }

  *#walk(start: number): IterableIterator<T> {
    for (let at = start; ; ) {
      let block = this.#blocks[blockOf(at)];
      if (block && indexOf(at) >= block.length) {
        at = (blockOf(at) + 1) * STRIDE;
        block = this.#blocks[blockOf(at)];
      }
      const item = block?.[indexOf(at)];
      if (item === undefined) return;
      const key = this.#order.key(item);
      yield item;
      // The collection may have changed since the last item: go on after its key.
      const now = this.#blocks[blockOf(at)]?.[indexOf(at)];
      at = now !== undefined && this.#compare(now, key) === 0 ? at + 1 : this.#seekAfter(key);
    }
  }

  #compare(item: T, key: K): number {
    return this.#order.compare(this.#order.key(item), key);
  }

  /** The position of the first item whose key is not before this one; or after the last item of the block before it. */
  #seek(key: K): number {
    const blocks = this.#blocks;
    let block = 0;
    for (let end = blocks.length - 1; block < end; ) {
      const middle = (block + end + 1) >> 1;
      if (this.#compare((blocks[middle] as T[])[0] as T, key) <= 0) block = middle;
      else end = middle - 1;
    }
    const items = blocks[block] ?? NONE;
    let index = 0;
    for (let end = items.length; index < end; ) {
      const middle = (index + end) >> 1;
      if (this.#compare(items[middle] as T, key) < 0) index = middle + 1;
      else end = middle;
    }
    return block * STRIDE + index;
  }

  #seekAfter(key: K): number {
    const at = this.#seek(key);
    const item = this.#blocks[blockOf(at)]?.[indexOf(at)];
    return item !== undefined && this.#compare(item, key) === 0 ? at + 1 : at;
  }

  #insert(item: T, key: K): void {
    const at = this.#seek(key);
    const block = this.#blocks[blockOf(at)] as T[];
    const next = block[indexOf(at)];
    if (next !== undefined && this.#compare(next, key) === 0) {
      throw new BrokenInvariant('an item with this key is in the collection already');
    }
    block.splice(indexOf(at), 0, item);
    if (block.length > BLOCK_MAX) this.#blocks.splice(blockOf(at), 1, block.slice(0, HALF), block.slice(HALF));
  }

  #shrink(at: number): void {
    const blocks = this.#blocks;
    const block = blocks[at] as T[];
    if (this.#size === 0) this.#blocks = NONE as readonly T[][] as T[][];
    else if (block.length === 0) blocks.splice(at, 1);
    else if (!this.#join(at)) this.#join(at - 1);
  }

  /** Makes one block of this one and the next, if both are there and fit in half a block. */
  #join(at: number): boolean {
    const block = this.#blocks[at];
    const next = this.#blocks[at + 1];
    if (!block || !next || block.length + next.length > HALF) return false;
    this.#blocks.splice(at, 2, block.concat(next));
    return true;
  }
}

function blockOf(position: number): number {
  return position >> STRIDE_BITS;
}

function indexOf(position: number): number {
  return position & (STRIDE - 1);
}

export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
