/** The host's callbacks as promises. Each resolves once its value is durable, and rejects with a 503 if that is lost. */
import type { Command, Refusal, State } from '@slotkeeper/engine';
import type { Host } from '../host.ts';
import { PrefectError, unavailable } from './answers.ts';

export class DurableAnswers {
  readonly #host: Host;

  constructor(host: Host) {
    this.#host = host;
  }

  get isReady(): boolean {
    return this.#host.ready;
  }

  /** The state now, durable or not: decide by it, and reveal it only through `once`. Throws a `PrefectError` while there is none. */
  get state(): State {
    return this.host.engine.state;
  }

  /** Throws a `PrefectError` while the host is not ready. */
  get host(): Host {
    if (!this.#host.ready) throw unavailable();
    return this.#host;
  }

  /** Decides now. Resolves to the refusal, if any, once the decision is durable. */
  submit(command: Command): Promise<Refusal | undefined> {
    return new Promise((resolve, reject) => {
      this.#host.submit(command, (outcome) => {
        if (outcome.is === 'durable') resolve(outcome.refusal);
        else reject(unavailable());
      });
    });
  }

  /** Submits a command that the route has checked already. A refusal would be a bug, so it rejects (status 500). */
  async carryOut(command: Command): Promise<void> {
    const refusal = await this.submit(command);
    if (refusal) throw new Error(`${command.type} was refused: ${refusal.message}`);
  }

  /** As `carryOut`, of a command that may create a limit: the server has a bound of them, or creates none for clients. */
  async create(command: Command): Promise<void> {
    const refusal = await this.submit(command);
    if (refusal) throw new PrefectError(403, { detail: refusal.message });
  }

  /** Resolves to `value` once all that has been decided so far is durable. */
  once<T>(value: T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#host.confirm(({ is }) => {
        if (is === 'durable') resolve(value);
        else reject(unavailable());
      });
    });
  }

  /** Resolves when every answer that is under way now has been given, or lost. */
  async allSettled(): Promise<void> {
    await this.once(null).catch(() => undefined);
  }
}
