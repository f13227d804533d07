/** The state's limits, by name, by id, and in the order of their names. */
import type { EngineMs, LimitSettings } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import type { LeasesInOrder } from './lease-table.ts';
import { LookAlikes } from './look-alike.ts';
import { compareTexts, type Order, Ordered } from './ordered.ts';
import { RecurringMap } from './recurring-map.ts';
import type { Usage } from './usage.ts';

export interface Limit {
  readonly name: string;
  /** The host chooses it as the limit is created. Prefect's API names limits by it. */
  readonly id: string;
  readonly createdAtMs: EngineMs;
  updatedAtMs: EngineMs;
  settings: LimitSettings;
  /** How much is taken; its kind is that of the settings. */
  usage: Usage;
  /** The leases that hold slots here. Invariant: `usage.held` is the sum of what they hold. */
  readonly leases: LeasesInOrder;
  /** The leases that have spent slots here: those with the limit's name in `spent`. Null until there is one. */
  spenders: LeasesInOrder | null;
  /** The value of `State.snapshots` when the limit was added, or when a snapshot last wrote it. */
  snapshot: number;
}

type Names = Pick<Limit, 'id' | 'name'>;

const BY_NAME: Order<string, Limit> = { key: ({ name }) => name, compare: compareTexts };

/** The name comes second, so that this works even if two limits had one id. */
const BY_ID: Order<Names, Limit> = {
  key: (limit) => limit,
  compare: (a, b) => compareTexts(a.id, b.id) || compareTexts(a.name, b.name),
};

export class LimitTable {
  readonly #byName = new RecurringMap<string, Limit>();
  /** The same limits in the order of their names. */
  readonly #inOrder = new Ordered(BY_NAME);
  readonly #byId = new Ordered(BY_ID);
  readonly #lookAlikes = new LookAlikes();

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  get(name: string): Limit | undefined {
    return this.#byName.get(name);
  }

  /** The name of another limit that people would take for this one. */
  lookAlike(name: string): string | undefined {
    return this.#lookAlikes.of(name, (other) => this.has(other));
  }

  withId(id: string): Limit | undefined {
    const [first] = this.#byId.from({ id, name: '' });
    return first?.id === id ? first : undefined;
  }

  /** All limits in the order of their names. */
  values(): IterableIterator<Limit> {
    return this.#inOrder[Symbol.iterator]();
  }

  /** The limits whose names begin with `prefix` and come after `after`, in the order of their names. */
  named(prefix: string, after: string | null = null): IterableIterator<Limit> {
    const isWithin = after === null || after < prefix;
    return whileNamed(prefix, isWithin ? this.#inOrder.from(prefix) : this.#inOrder.after(after));
  }

  /** The limits whose names begin with `prefix`, in the order of their names, without the first `offset`. */
  namedAt(prefix: string, offset: number): IterableIterator<Limit> {
    return whileNamed(prefix, this.#inOrder.skip(this.#inOrder.countBefore(prefix) + offset));
  }

  /** Throws if a limit with this name is there already. */
  add(limit: Limit): void {
    if (this.#byName.has(limit.name)) throw new BrokenInvariant(`there is a limit '${limit.name}' already`);
    this.#byName.set(limit.name, limit);
    this.#inOrder.add(limit);
    this.#byId.add(limit);
    this.#lookAlikes.add(limit.name);
  }

  remove(limit: Limit): void {
    this.#byName.delete(limit.name);
    this.#inOrder.remove(limit);
    this.#byId.remove(limit);
    this.#lookAlikes.remove(limit.name);
  }

  rename(limit: Limit, to: string): void {
    this.remove(limit);
    (limit as { name: string }).name = to;
    this.add(limit);
  }
}

function* whileNamed(prefix: string, limits: Iterable<Limit>): IterableIterator<Limit> {
  for (const limit of limits) {
    if (!limit.name.startsWith(prefix)) return;
    yield limit;
  }
}
