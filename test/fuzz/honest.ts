/** Two clients of a real server that do as they should while others do not: one slot, held by one of them at a time. */
import { setTimeout } from 'node:timers/promises';
import { connect, type Keeper } from 'slotkeeper';

/** Nobody else names it. */
const LIMIT = 'of the honest';

export class HonestPair implements AsyncDisposable {
  readonly #keepers: readonly Keeper[];
  readonly #work: Promise<unknown>;
  #holders = 0;
  #token = 0;
  #stopped = false;
  rounds = 0;
  /** The longest that one of them waited for a grant. */
  slowestMs = 0;

  private constructor(keepers: readonly Keeper[]) {
    this.#keepers = keepers;
    this.#work = Promise.all(keepers.map((keeper) => this.#loop(keeper)));
    this.#work.catch(() => undefined);
  }

  static async start(url: string): Promise<HonestPair> {
    const keepers = await Promise.all([connect(url), connect(url)]);
    await keepers[0]?.limits.set(LIMIT, { slots: 1 });
    return new HonestPair(keepers);
  }

  /** Rejects with what they saw and should not have seen. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  /** Resolves when each of `count` more rounds is done. */
  async more(count: number): Promise<void> {
    const until = this.rounds + count;
    while (this.rounds < until) await Promise.race([setTimeout(2), this.#work]);
  }

  async #loop(keeper: Keeper): Promise<void> {
    while (!this.#stopped) {
      const askedMs = performance.now();
      const lease = await keeper.acquire(LIMIT);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - askedMs);
      this.#holders += 1;
      if (this.#holders > 1) throw new Error(`${this.#holders} hold the only slot of '${LIMIT}'`);
      if (lease.token <= this.#token) throw new Error(`token ${lease.token} was granted after ${this.#token}`);
      this.#token = lease.token;
      if (this.rounds % 10 === 0) await this.#look(keeper, lease.id);
      if (lease.signal.aborted) throw new Error(`a lease was lost: ${lease.signal.reason}`);
      this.#holders -= 1;
      await lease.release();
      this.rounds += 1;
      // The machine is for the others, too.
      await setTimeout(1);
    }
  }

  async #look(keeper: Keeper, leaseId: string): Promise<void> {
    const limit = await keeper.limits.get(LIMIT);
    if (limit.slots !== 1 || limit.taken !== 1 || limit.holders !== 1) {
      throw new Error(`while ${leaseId} holds it, the limit is told to be ${JSON.stringify(limit)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#keepers.map((keeper) => keeper.close()));
  }
}
