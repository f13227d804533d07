/** A map that knows which of its keys have changed since they were last written to the file. */
export class ChangingMap<V> {
  readonly #values: Map<string, V>;
  readonly #changed = new Set<string>();

  constructor(entries: Iterable<readonly [key: string, value: V]> = []) {
    this.#values = new Map(entries);
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  values(): Iterable<V> {
    return this.#values.values();
  }

  /** Sets a value. Call it, too, after a value was changed in place. */
  set(key: string, value: V): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  delete(key: string): void {
    this.#values.delete(key);
    this.#changed.add(key);
  }

  /** The keys that have changed since the last call; undefined for a deleted one, also if it was added since then. */
  *takeChanges(): Generator<[key: string, value: V | undefined]> {
    for (const key of this.#changed) yield [key, this.#values.get(key)];
    this.#changed.clear();
  }
}
