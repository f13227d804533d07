/** The seed's `concurrency`: takes slots, runs the body, and gives the slots back however the body ends. */
import { callback, optionsCheck, signal, timeoutSeconds } from '../../option-fields.ts';
import { refuse } from '../../refuse.ts';
import { acquiring, type WaitOptions } from '../shared/acquiring.ts';
import { checkNames, type Names, namesOf } from '../shared/names.ts';
import { pythonList } from '../shared/python-text.ts';
import { HeldScope } from '../shared/scope.ts';
import { checkUuid } from '../shared/uuid.ts';
import { ConcurrencyContext } from './context.ts';
import { AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError } from './errors.ts';
import { servers } from './services.ts';
import type { Hold } from './slot-service.ts';

export interface ConcurrencyOptions extends WaitOptions {
  /** Gives up the wait. In a `ConcurrencyContext` it also cancels the release; the context's exit makes up for it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Holds one slot of each of these limits while the body runs; without a body, until the scope it resolves to is
 * disposed of.
 *
 * @param names tags, all or nothing; a tag without a limit limits nothing. Without names no server is asked
 * @param taskRunId the holder, a UUID
 * @param body runs while the slots are held
 * @returns what the body resolves to; rejects with what it throws. The slots are given back by then
 * @throws {InvalidRequestError} if an argument is not what it must be; the message names it, and nothing was asked
 * @throws {AcquireConcurrencySlotTimeoutError} if they were not free within `timeoutSeconds`
 * @throws {ConcurrencySlotAcquisitionError} if they cannot be taken; `cause` says why
 * @throws the signal's reason, if that aborts while it waits
 *
 * @example
 * const model = await concurrency(['gpu', 'db'], taskRunId, { timeoutSeconds: 30 }, () => train());
 * // `model` is what `train()` resolved to; it ran with a slot of each tag, and both are free again
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
      (body === undefined ? undefined : callback.check(body, 'body')),
  );
  const scope = await Scope.enter(namesOf(names), taskRunId, options);
  return body === undefined ? scope : scope.run(body);
}

const checkConcurrencyOptions = optionsCheck({ timeoutSeconds, signal });

class Scope extends HeldScope {
  readonly #names: readonly string[];
  readonly #taskRunId: string;
  readonly #signal: AbortSignal | undefined;
  readonly #hold: Hold | undefined;
  readonly #sinceMs = performance.now();

  private constructor(
    names: readonly string[],
    taskRunId: string,
    signal: AbortSignal | undefined,
    hold: Hold | undefined,
  ) {
    super();
    this.#names = names;
    this.#taskRunId = taskRunId;
    this.#signal = signal;
    this.#hold = hold;
  }

  static async enter(names: readonly string[], taskRunId: string, options: ConcurrencyOptions): Promise<Scope> {
    const hold = names.length === 0 ? undefined : await acquire(names, taskRunId, options);
    return new Scope(names, taskRunId, options.signal, hold);
  }

  run<T>(body: () => T | PromiseLike<T>): Promise<T> {
    return this.holdDuring(body);
  }

  protected override get releaseFailed(): string {
    return `Failed to release concurrency slots ${pythonList(this.#names)} for task run ${this.#taskRunId}`;
  }

  protected override async release(): Promise<void> {
    const hold = this.#hold;
    if (hold === undefined) return;
    const occupancySeconds = (performance.now() - this.#sinceMs) / 1000;
    const context = ConcurrencyContext.current();
    // Without a context nothing would make up for a cancelled release: the slots would be lost.
    if (context === undefined) return hold.release(occupancySeconds);
    await context.releaseOrKeep([[...this.#names], occupancySeconds, this.#taskRunId], this.#signal, (cancelled) =>
      hold.release(occupancySeconds, cancelled),
    );
  }
}

function acquire(names: readonly string[], taskRunId: string, options: ConcurrencyOptions): Promise<Hold> {
  const failure = (cause: unknown): Error => new ConcurrencySlotAcquisitionError(names, { cause });
  return acquiring(servers, options, { Timeout: AcquireConcurrencySlotTimeoutError, failure }, (service, deadline) =>
    // A stock server never grants a tag that is asked for twice.
    service.acquire([...new Set(names)], taskRunId, deadline),
  );
}
