/** Promises over a replica: they resolve once what they tell is durable, and reject if the replica fails before. */
import type { Command, Refusal, State } from '@slotkeeper/engine';
import type { Replica } from '../../server/src/replica.ts';
import { unavailable } from './answers.ts';

export class DurableAnswers {
  readonly #replica: Replica;
  readonly #underWay = new Set<(reason: Error) => void>();

  constructor(replica: Replica) {
    this.#replica = replica;
    replica.on({ failed: () => this.#failed() });
  }

  get isReady(): boolean {
    return this.#replica.ready;
  }

  /** As it stands now: to decide by, and to be told only through `once`. Throws a `PrefectError` while there is none. */
  get state(): State {
    return this.replica.engine.state;
  }

  /** Throws a `PrefectError` while it does not run. */
  get replica(): Replica {
    if (!this.#replica.ready) throw unavailable();
    return this.#replica;
  }

  /** Decides now; resolves to the refusal. */
  submit(command: Command): Promise<Refusal | undefined> {
    return this.#promise((done) => this.#replica.submit(command, done));
  }

  /** Resolves to `value`, as it is now. */
  once<T>(value: T): Promise<T> {
    return this.#promise((done) => this.#replica.tell(() => done(value)));
  }

  /** Resolves when nothing that was under way is to be told any more. */
  async allTold(): Promise<void> {
    if (this.#replica.ready) await this.once(null).catch(() => undefined);
  }

  #failed(): void {
    for (const reject of this.#underWay) reject(unavailable());
    this.#underWay.clear();
  }

  #promise<T>(start: (done: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#replica.ready) throw unavailable();
      this.#underWay.add(reject);
      start((value) => {
        this.#underWay.delete(reject);
        resolve(value);
      });
    });
  }
}
