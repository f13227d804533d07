/** Promises over a host: they resolve once what they tell is durable, and reject if that is lost. */
import type { Command, Refusal, State } from '@slotkeeper/engine';
import type { Host } from '../host.ts';
import { unavailable } from './answers.ts';

export class DurableAnswers {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
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
    return new Promise((resolve, reject) => {
      this.#host.submit(command, (outcome) => {
        if (outcome.is === 'durable') resolve(outcome.refusal);
        else reject(unavailable());
      });
    });
  }

  /** Decides now what the route has made sure of: a refusal is a bug, which is answered as one. */
  async carryOut(command: Command): Promise<void> {
    const refusal = await this.submit(command);
    if (refusal) throw new Error(`${command.type} was refused: ${refusal.message}`);
  }

  /** Resolves to `value`, as it is now. */
  once<T>(value: T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#host.confirm(({ is }) => {
        if (is === 'durable') resolve(value);
        else reject(unavailable());
      });
    });
  }

  /** Resolves when nothing that was under way is to be told any more. */
  async allTold(): Promise<void> {
    await this.once(null).catch(() => undefined);
  }
}
