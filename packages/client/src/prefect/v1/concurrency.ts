/** The seed's `concurrency`: take slots, run the body, give them back, whatever happens. */

import { checkFunction, checkOptions, checkSignal, checkTimeoutSeconds, refuse } from '../../refuse.ts';
import { acquiring, type PatienceOptions } from '../shared/acquiring.ts';
import { checkNames, type Names, namesOf } from '../shared/names.ts';
import { pythonList } from '../shared/python-text.ts';
import { checkUuid } from '../shared/uuid.ts';
import { ConcurrencyContext } from './context.ts';
import { AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError } from './errors.ts';
import { slotService } from './services.ts';
import type { Hold } from './slot-service.ts';

export interface ConcurrencyOptions extends PatienceOptions {
  /** Gives up the wait. In a `ConcurrencyContext` it also cancels the release, which its exit then makes up for. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Holds one slot of each of these limits while the body runs; without a body, until the scope it resolves to is
 * disposed of.
 *
 * @param names tags, all or nothing; a tag without a limit limits nothing. None at all: nothing is asked
 * @param taskRunId who holds them, a UUID
 * @param body what to do meanwhile; its own way of being cancelled is its own affair
 * @returns what the body resolves to; rejects with what it throws. The slots are given back by then
 * @throws {InvalidRequestError} if an argument is not what it must be; the message names it, and nothing was asked
 * @throws {AcquireConcurrencySlotTimeoutError} if they were not free within `timeoutSeconds`
 * @throws {ConcurrencySlotAcquisitionError} if they cannot be taken; `cause` says why
 * @throws the signal's reason, if that aborts while it waits
 */
export async function concurrency(
  names: Names,
  taskRunId: string,
  options?: ConcurrencyOptions,
): Promise<AsyncDisposable>;
export async function concurrency<T>(
  names: Names,
  taskRunId: string,
  options: ConcurrencyOptions | undefined,
  body: () => T | PromiseLike<T>,
): Promise<T>;
export async function concurrency<T>(
  names: Names,
  taskRunId: string,
  options: ConcurrencyOptions = {},
  body?: () => T | PromiseLike<T>,
): Promise<AsyncDisposable | T> {
  refuse(
    checkNames(names, 'names') ??
      checkUuid(taskRunId, 'taskRunId') ??
      checkConcurrencyOptions(options) ??
      (body === undefined ? undefined : checkFunction(body, 'body')),
  );
  const scope = await Scope.enter(namesOf(names), taskRunId, options);
  if (body === undefined) return scope;
  let value: T;
  try {
    value = await body();
  } catch (error) {
    await scope.exit().catch((failure: unknown) => scope.warn(failure));
    throw error;
  }
  await scope.exit();
  return value;
}

const checkConcurrencyOptions = checkOptions({ timeoutSeconds: checkTimeoutSeconds, signal: checkSignal });

class Scope implements AsyncDisposable {
  readonly #names: readonly string[];
  readonly #taskRunId: string;
  readonly #signal: AbortSignal | undefined;
  readonly #hold: Hold | undefined;
  readonly #sinceMs = performance.now();
  #exited: Promise<void> | undefined;

  private constructor(
    names: readonly string[],
    taskRunId: string,
    signal: AbortSignal | undefined,
    hold: Hold | undefined,
  ) {
    this.#names = names;
    this.#taskRunId = taskRunId;
    this.#signal = signal;
    this.#hold = hold;
  }

  static async enter(names: readonly string[], taskRunId: string, options: ConcurrencyOptions): Promise<Scope> {
    const hold = names.length === 0 ? undefined : await acquire(names, taskRunId, options);
    return new Scope(names, taskRunId, options.signal, hold);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.exit();
  }

  /** Gives the slots back, once however often it is called. */
  exit(): Promise<void> {
    this.#exited ??= this.#release();
    return this.#exited;
  }

  warn(failure: unknown): void {
    console.warn(
      `Failed to release concurrency slots ${pythonList(this.#names)} for task run ${this.#taskRunId}`,
      failure,
    );
  }

  async #release(): Promise<void> {
    const hold = this.#hold;
    if (hold === undefined) return;
    const occupancySeconds = (performance.now() - this.#sinceMs) / 1000;
    const context = ConcurrencyContext.current();
    // Where no context would make up for it, the release is not cancelled: the slots would be lost.
    if (context === undefined) return hold.release(occupancySeconds);
    await context.releaseOrKeep([[...this.#names], occupancySeconds, this.#taskRunId], this.#signal, (cancelled) =>
      hold.release(occupancySeconds, cancelled),
    );
  }
}

function acquire(names: readonly string[], taskRunId: string, options: ConcurrencyOptions): Promise<Hold> {
  const failure = (cause: unknown): Error => new ConcurrencySlotAcquisitionError(names, { cause });
  return acquiring(options, { Timeout: AcquireConcurrencySlotTimeoutError, failure }, async (patience) => {
    const service = await patience.race(slotService());
    // A stock server never grants a tag that is asked for twice.
    return service.acquire([...new Set(names)], taskRunId, patience);
  });
}
