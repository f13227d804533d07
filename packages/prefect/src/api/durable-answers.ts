/** Promises over a host: they resolve once what they tell is durable, and reject if the host fails before. */
import type { Command, Refusal, State } from '@slotkeeper/engine';
import type { Host } from '../host.ts';
import { unavailable } from './answers.ts';

export class DurableAnswers {
  readonly #host: Host;
  readonly #underWay = new Set<(reason: Error) => void>();

  constructor(host: Host) {
    this.#host = host;
    host.on({ failed: () => this.#failed() });
  }

  get isReady(): boolean {
    return this.#host.ready;
  }

  /** As it stands now: to decide by, and to be told only through `once`. Throws a `PrefectError` while there is none. */
  get state(): State {
    return this.host.engine.state;
  }

  /** Throws a `PrefectError` while it does not run. */
  get host(): Host {
    if (!this.#host.ready) throw unavailable();
    return this.#host;
  }

  /** Decides now; resolves to the refusal. */
  submit(command: Command): Promise<Refusal | undefined> {
    return this.#promise((done) => this.#host.submit(command, done));
  }

  /** Resolves to `value`, as it is now. */
  once<T>(value: T): Promise<T> {
    return this.#promise((done) => this.#host.tell(() => done(value)));
  }

  /** Resolves when nothing that was under way is to be told any more. */
  async allTold(): Promise<void> {
    if (this.#host.ready) await this.once(null).catch(() => undefined);
  }

  #failed(): void {
    for (const reject of this.#underWay) reject(unavailable());
    this.#underWay.clear();
  }

  #promise<T>(start: (done: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#host.ready) throw unavailable();
      this.#underWay.add(reject);
      start((value) => {
        this.#underWay.delete(reject);
        resolve(value);
      });
    });
  }
}
