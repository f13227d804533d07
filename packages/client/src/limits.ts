/** `keeper.limits`: reads and sets limits. */
import type { Method, Methods, Page } from '@slotkeeper/protocol';
import { boolean, limitName, shortText } from '@slotkeeper/shape';
import { optionsCheck } from './option-fields.ts';
import { checkNewSpec, checkSpec, wireSpec } from './rate.ts';
import { refuse } from './refuse.ts';
import type { LimitName } from './register.ts';
import { type Limit, readLimit } from './views.ts';

/** A limit's settings. */
export interface LimitSpec {
  /** How many may be held at once, 0 … 2³¹ − 1; of a rate, how many may be taken at once. */
  readonly slots: number;
  /**
   * Makes it a rate: a burst of `slots`, refilled so, as `'100/minute'` (`second`, `minute`, `hour`, `day`). What is taken is
   * not given back, it comes back by itself, continuously. Instead of it `slotDecayPerSecond` may be given.
   */
  readonly rate?: string | undefined;
  /** The same as slots a second, 10⁻⁹ … 2³¹ − 1; null: no rate (default). */
  readonly slotDecayPerSecond?: number | null | undefined;
  /** False: it limits nothing; taken slots are still counted, and each acquire gets a warning. Default: true. */
  readonly active?: boolean | undefined;
  /** After so many grants to others the first waiter reserves its slots here, even while it lacks another limit. Default: 16. */
  readonly overtakes?: number | undefined;
  /** The most acquires that may wait here. Null (default): only the server's own bounds apply. */
  readonly maxWaiters?: number | null | undefined;
  /** 1,000 characters at the most. */
  readonly description?: string | null | undefined;
}

const checkListOptions = optionsCheck({ prefix: shortText });
const checkDeleteOptions = optionsCheck({ force: boolean });

export type Call = <M extends Method>(method: M, params: Methods[M]['params']) => Promise<Methods[M]['value']>;

/** All reject with `SERVER_UNREACHABLE` if the server is away for longer than a first connect may take. */
export class LimitCatalog {
  readonly #call: Call;

  /** @internal */
  constructor(call: Call) {
    this.#call = call;
  }

  /**
   * Creates the limit if it does not exist; never changes one that does. Resolves to the limit as it is.
   *
   * @example
   * await keeper.limits.ensure('db', { slots: 4 }); // { name: 'db', slots: 4, taken: 0, free: 4, holders: 0, waiters: 0, … }
   * await keeper.limits.ensure('db', { slots: 9 }); // still { name: 'db', slots: 4, … }
   */
  async ensure(name: LimitName, spec: LimitSpec): Promise<Limit> {
    refuse(limitName.check(name, 'name') ?? checkNewSpec(spec, 'spec'));
    return readLimit(await this.#call('limits.ensure', { name, spec: wireSpec(spec) }));
  }

  /**
   * Creates the limit (then `slots` is needed), or changes the fields given. If it is raised, those who wait are granted at once;
   * if it is lowered, holders keep their slots, and nothing is granted until it fits.
   *
   * @example
   * await keeper.limits.set('db', { slots: 9 }); // { name: 'db', slots: 9, … }
   * await keeper.limits.set('db', { description: 'the primary' }); // { name: 'db', slots: 9, description: 'the primary', … }
   */
  async set(name: LimitName, spec: Partial<LimitSpec>): Promise<Limit> {
    refuse(limitName.check(name, 'name') ?? checkSpec(spec, 'spec'));
    return readLimit(await this.#call('limits.set', { name, spec: wireSpec(spec) }));
  }

  /**
   * Rejects with `LIMIT_NOT_FOUND` if there is none of that name.
   *
   * @example
   * const { taken, waiters } = await keeper.limits.get('db'); // 4 and 2: all four slots are held, and two wait
   */
  async get(name: LimitName): Promise<Limit> {
    refuse(limitName.check(name, 'name'));
    return readLimit(await this.#call('limits.get', { name }));
  }

  /**
   * All limits, or those whose names begin with `prefix`.
   *
   * @example
   * for await (const { name, free } of keeper.limits.list({ prefix: 'llm:' })) console.log(name, free); // llm:acme 3
   */
  async *list(options: { readonly prefix?: string | undefined } = {}): AsyncIterableIterator<Limit> {
    refuse(checkListOptions(options));
    const { prefix = '' } = options;
    for await (const view of pages((after) => this.#call('limits.list', { prefix, after }))) yield readLimit(view);
  }

  /**
   * Rejects with `CONFLICT` while somebody holds it, unless forced: then their leases are revoked.
   *
   * @example
   * await keeper.limits.delete('db', { force: true }); // its holders' signals abort with a LeaseRevokedError
   */
  async delete(name: LimitName, options: { readonly force?: boolean | undefined } = {}): Promise<void> {
    refuse(limitName.check(name, 'name') ?? checkDeleteOptions(options));
    await this.#call('limits.delete', { name, force: options.force ?? false });
  }

  /**
   * Holders keep what they have; new ones wait until `resume`.
   *
   * @example
   * await keeper.limits.pause('db'); // { name: 'db', mode: 'paused', … }
   */
  async pause(name: LimitName): Promise<Limit> {
    refuse(limitName.check(name, 'name'));
    return readLimit(await this.#call('limits.pause', { name }));
  }

  /**
   * Holders finish; those who wait and new ones are refused with `CONFLICT` until `resume`. Resolves when nobody holds it any more.
   *
   * @example
   * await keeper.limits.drain('db'); // { name: 'db', mode: 'draining', taken: 0, … }, once the last holder has left
   */
  async drain(name: LimitName): Promise<Limit> {
    refuse(limitName.check(name, 'name'));
    return readLimit(await this.#call('limits.drain', { name }));
  }

  /**
   * After `pause` or `drain`: it takes work again.
   *
   * @example
   * await keeper.limits.resume('db'); // { name: 'db', mode: 'open', … }
   */
  async resume(name: LimitName): Promise<Limit> {
    refuse(limitName.check(name, 'name'));
    return readLimit(await this.#call('limits.resume', { name }));
  }
}

/** Every item of a list that comes in pages. */
export async function* pages<T>(page: (after: string | null) => Promise<Page<T>>): AsyncIterableIterator<T> {
  let after: string | null = null;
  do {
    const { items, next }: Page<T> = await page(after);
    yield* items;
    after = next;
  } while (after !== null);
}
