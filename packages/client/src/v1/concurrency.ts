/** The seed's `concurrency`: take slots, run the body, give them back, whatever happens. */
import { type Check, checkName, type Problem, seen } from '@slotkeeper/protocol';
import { checkFunction, checkOptions, checkSignal, checkTimeoutSeconds, refuse } from '../refuse.ts';
import { ConcurrencyContext } from './context.ts';
import { AcquireConcurrencySlotTimeoutError, ConcurrencySlotAcquisitionError, pythonList } from './errors.ts';
import { Patience } from './patience.ts';
import { slotService } from './services.ts';
import type { Hold } from './slot-service.ts';

export interface ConcurrencyOptions {
  /** How long to wait for the slots, in seconds from the call: 0 or more. None: for ever; 0: at once or not at all. */
  readonly timeoutSeconds?: number | undefined;
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
  names: string | readonly string[],
  taskRunId: string,
  options?: ConcurrencyOptions,
): Promise<AsyncDisposable>;
export async function concurrency<T>(
  names: string | readonly string[],
  taskRunId: string,
  options: ConcurrencyOptions | undefined,
  body: () => T | PromiseLike<T>,
): Promise<T>;
export async function concurrency<T>(
  names: string | readonly string[],
  taskRunId: string,
  options: ConcurrencyOptions = {},
  body?: () => T | PromiseLike<T>,
): Promise<AsyncDisposable | T> {
  refuse(
    checkNames(names) ??
      checkTaskRunId(taskRunId, 'taskRunId') ??
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

/** As Python takes them; a Prefect server refuses all else. */
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

const checkTaskRunId: Check = (id, field) =>
  typeof id === 'string' && UUID.test(id) ? undefined : { field, reason: `must be a UUID, but was ${seen(id)}` };

function checkNames(names: unknown): Problem | undefined {
  // The seed takes an empty text for no names.
  if (names === '') return undefined;
  if (typeof names === 'string') return checkName(names, 'names');
  if (!Array.isArray(names))
    return { field: 'names', reason: `must be a name or a list of names, but was ${seen(names)}` };
  for (const name of names) {
    const problem = checkName(name, 'names');
    if (problem) return problem;
  }
  return undefined;
}

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

async function acquire(names: readonly string[], taskRunId: string, options: ConcurrencyOptions): Promise<Hold> {
  options.signal?.throwIfAborted();
  const patience = new Patience(options.timeoutSeconds, options.signal);
  try {
    const service = await patience.race(slotService());
    // A stock server never grants a tag that is asked for twice.
    return await service.acquire([...new Set(names)], taskRunId, patience);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof AcquireConcurrencySlotTimeoutError) throw error;
    throw new ConcurrencySlotAcquisitionError(names, { cause: error });
  } finally {
    patience.end();
  }
}

function namesOf(names: string | readonly string[]): readonly string[] {
  if (typeof names !== 'string') return names;
  return names === '' ? [] : [names];
}
