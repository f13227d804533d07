/** A map in memory that knows what of it has changed since it was last written down. */
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

  /** Also says of a value that was changed in place that it has. */
  set(key: string, value: V): void {
    this.#values.set(key, value);
    this.#changed.add(key);
  }

  delete(key: string): void {
    this.#values.delete(key);
    this.#changed.add(key);
  }

  /** Each key that has changed since the last call; undefined for what is gone. What came and went meanwhile is among them. */
  *takeChanges(): Generator<[key: string, value: V | undefined]> {
    for (const key of this.#changed) yield [key, this.#values.get(key)];
    this.#changed.clear();
  }
}
