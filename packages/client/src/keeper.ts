/** The keeper, through which a program acquires slots, sets limits and lists holders and waiters, over one session. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Clock, Method, Methods } from '@slotkeeper/protocol';
import { limitName, printable } from '@slotkeeper/shape';
import {
  type AcquireCall,
  type AcquireDefaults,
  type AcquireOptions,
  checkRateOptions,
  checkTryOptions,
  type RateOptions,
  readCall,
  type TryOptions,
} from './acquire-call.ts';
import { fromCaller } from './call-stack.ts';
import { ConflictError, InvalidRequestError, LeaseLostError, SlotkeeperError } from './errors.ts';
import { LeakWatch } from './leak-watch.ts';
import { HeldLease, Lease, type LeaseKeeper } from './lease.ts';
import { LimitCatalog, pages } from './limits.ts';
import { refuse } from './refuse.ts';
import type { Declared, LimitName, Limits, NamesIn } from './register.ts';
import type { Session, Status } from './session.ts';
import { type Holder, readHolder, readWaiter, type SlotsOf, type Waiter } from './views.ts';

/** Something that a program should know and that is no error. */
export interface Warning {
  readonly code:
    | 'LIMIT_MISSING'
    | 'LIMIT_INACTIVE'
    | 'LEASE_COLLECTED'
    | 'LEASE_FORGOTTEN'
    | 'NOT_CONNECTED'
    | 'KEY_IN_CLEAR';
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export type Body<T, N extends string> = (lease: Lease<N>) => T | PromiseLike<T>;

/** The result of `rateLimit`. */
export interface RateTaken {
  readonly limits: readonly SlotsOf[];
  readonly waitedSeconds: number;
}

/** An open session, and what is closed with it. */
export interface Connection {
  readonly session: Session;
  readonly ttlMs: number;
  /** Called when the session has ended. */
  close(): Promise<void>;
}

export interface KeeperOptions {
  readonly clock: Clock;
  readonly defaults: AcquireDefaults;
  readonly warn: (warning: Warning) => void;
}

/** A body that is running, and the body from within which it was called. */
interface Running {
  readonly held: HeldLease;
  readonly within: Running | undefined;
}

const running = new AsyncLocalStorage<Running>();

/** Made by `connect`. All calls check their arguments before anything is sent, and reject with `INVALID_REQUEST` and the field's name. */
export class Keeper {
  /** Reads and sets limits. */
  readonly limits = new LimitCatalog((method, params) => this.#call(method, params));
  readonly #open: () => Promise<Connection>;
  readonly #options: KeeperOptions;
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  readonly #bodies = new Set<Running>();
  #bodyEnded: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  readonly #leaks: LeakWatch;

  /** @internal `open`: called at first use, unless the connection is given. */
  constructor(connection: Connection | (() => Promise<Connection>), options: KeeperOptions) {
    this.#open = typeof connection === 'function' ? connection : async () => connection;
    this.#connection = typeof connection === 'function' ? undefined : connection;
    this.#options = options;
    this.#leaks = new LeakWatch(
      options.clock,
      () => this.#connection?.session.leases ?? [],
      (held) => this.#warn(leakWarning(held)),
    );
  }

  /** `reconnecting`: leases stay held for their time to live; acquires wait and keep their places. */
  get status(): Status {
    if (this.#closing) return 'closed';
    return this.#connection?.session.status ?? 'reconnecting';
  }

  /**
   * Holds slots while `body` runs. Resolves to what it returns, rejects with what it throws. By then the release has been sent:
   * a later call of this keeper finds the slots free, and a call of another process within a round trip. If the connection is
   * lost, the release is sent again. Without limits the body runs, and no server is asked.
   *
   * Rejects with `ACQUIRE_TIMEOUT`, `LIMIT_NOT_FOUND`, `REQUEST_TOO_LARGE`, `QUEUE_FULL`, or `CONFLICT` (a limit is
   * draining, the keeper is closed), and then the body has not run.
   *
   * @example
   * const rows = await keeper.concurrency({ db: 1, gpu: 2 }, { timeoutSeconds: 5 }, ({ signal }) => query('select …', { signal }));
   * // `rows` is what `query()` resolved to. One slot of `db` and two of `gpu` were held meanwhile, and are free again
   */
  concurrency<T, const L extends Limits>(limits: Declared<L>, body: Body<T, NamesIn<L>>): Promise<T>;
  concurrency<T, const L extends Limits>(
    limits: Declared<L>,
    options: AcquireOptions | undefined,
    body: Body<T, NamesIn<L>>,
  ): Promise<T>;
  async concurrency<T, N extends string>(
    limits: Limits,
    ...rest: [Body<T, N>] | [AcquireOptions | undefined, Body<T, N>]
  ): Promise<T> {
    const body = rest.length > 1 ? rest[1] : rest[0];
    const options = rest.length > 1 && rest[0] !== undefined ? (rest[0] as AcquireOptions) : {};
    if (typeof body !== 'function')
      throw new InvalidRequestError(
        'body must be a function, which concurrency() runs while it holds the slots. To hold them beyond one, call acquire().',
        { field: 'body' },
      );
    const call = readCall(limits, options, this.#options.defaults);
    const held = await fromCaller(() => this.#hold(call));
    this.#throwIfClosed();
    return this.#run(held, body);
  }

  /**
   * Takes slots. Give them back by `release()`, or at the end of the scope by `await using`. Rejects as `concurrency` does.
   *
   * @example
   * await using lease = await keeper.acquire('db', { slots: 2 });
   * lease.limits; // [{ name: 'db', slots: 2 }], given back at the end of the scope
   */
  async acquire<const L extends Limits>(limits: Declared<L>, options: AcquireOptions = {}): Promise<Lease<NamesIn<L>>> {
    return this.#acquire(limits, options, this.acquire);
  }

  /**
   * Takes slots if they are free at once: never queues. Resolves to undefined when they are not.
   *
   * @example
   * const lease = await keeper.tryAcquire('reindex');
   * if (!lease) return; // somebody else does it
   */
  async tryAcquire<const L extends Limits>(
    limits: Declared<L>,
    options: TryOptions = {},
  ): Promise<Lease<NamesIn<L>> | undefined> {
    refuse(checkTryOptions(options));
    try {
      return await this.#acquire(limits, { ...options, timeoutSeconds: 0 }, this.tryAcquire);
    } catch (error) {
      if (SlotkeeperError.is(error, 'ACQUIRE_TIMEOUT')) return undefined;
      throw error;
    }
  }

  /**
   * Takes from limits that are rates, in turn: what is taken comes back by itself, and there is nothing to release. Resolves
   * once it may go on. Rejects as `concurrency` does, and with `INVALID_REQUEST` for a limit that is no rate.
   *
   * @example
   * await keeper.limits.ensure('emails', { slots: 1, rate: '60/minute' });
   * await keeper.rateLimit('emails'); // { limits: [{ name: 'emails', slots: 1 }], waitedSeconds: 0 }
   * await keeper.rateLimit('emails'); // about a second later: { limits: […], waitedSeconds: 0.99… }
   */
  async rateLimit<const L extends Limits>(limits: Declared<L>, options: RateOptions = {}): Promise<RateTaken> {
    refuse(checkRateOptions(options));
    const call = readCall(limits, options, this.#options.defaults, true);
    const held = await fromCaller(() => this.#hold(call));
    this.#throwIfClosed();
    // The slots are spent. The release only acknowledges the answer, so the caller need not wait for it.
    void this.#leaseKeeper(held).release(held);
    return { limits: held.limits, waitedSeconds: held.waitedMs / 1_000 };
  }

  /**
   * Who holds slots now, of one limit or of any, in the order of their grants.
   *
   * @example
   * await keeper.holders('db'); // [{ leaseId: '0b5e…', token: 7, limits: [{ name: 'db', slots: 1 }], holder: { label: 'nightly', … }, … }]
   */
  async holders(name?: LimitName): Promise<Holder[]> {
    if (name !== undefined) refuse(limitName.check(name, 'name'));
    const views = pages((after) => this.#call('holders', { limit: name ?? null, after }));
    return (await gathered(views)).map(readHolder);
  }

  /**
   * Who waits, for one limit or for any, in the order of the wait queue.
   *
   * @example
   * await keeper.waiters('db'); // [{ ticket: '5f0c…', limits: [{ name: 'db', slots: 1 }], blockedOn: 'db', connected: true, … }]
   */
  async waiters(name?: LimitName): Promise<Waiter[]> {
    if (name !== undefined) refuse(limitName.check(name, 'name'));
    const views = pages((after) => this.#call('waiters', { limit: name ?? null, after }));
    return (await gathered(views)).map(readWaiter);
  }

  /**
   * Refuses new calls, aborts the signals of all leases (`LEASE_LOST`, "closed"), and waits for running bodies: at most for the
   * time to live, and not for a body that calls this. Then it gives everything back. Idempotent; never rejects.
   *
   * @example
   * await keeper.close();
   * keeper.status; // 'closed'
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const callers = new Set<Running>();
    for (let body = running.getStore(); body; body = body.within) callers.add(body);
    const connection = this.#connection ?? (await this.#opening?.catch(() => undefined));
    connection?.session.refuse(closedError(), closedReason);
    for (const { held } of this.#bodies) held.abort(closedReason(held));
    await this.#bodiesBut(callers, connection?.ttlMs ?? 0);
    await connection?.session.leave();
    await connection?.close().catch(() => {}); // all is given back by now, and there is nothing a caller could do
  }

  /** Resolves when no bodies except `callers` run, after `ttlMs` at the latest. */
  async #bodiesBut(callers: ReadonlySet<Running>, ttlMs: number): Promise<void> {
    const othersRun = (): boolean => [...this.#bodies].some((body) => !callers.has(body));
    if (!othersRun()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.setTimer(ttlMs, resolve);
    this.#bodyEnded = () => {
      if (!othersRun()) resolve();
    };
    await promise;
    timer.cancel();
  }

  async #connected(): Promise<Connection> {
    this.#throwIfClosed();
    if (this.#connection) return this.#connection;
    this.#opening ??= this.#open();
    try {
      this.#connection = await this.#opening;
      return this.#connection;
    } finally {
      this.#opening = undefined;
    }
  }

  #call<M extends Method>(method: M, params: Methods[M]['params']): Promise<Methods[M]['value']> {
    return fromCaller(async () => (await this.#connected()).session.call(method, params));
  }

  /** `asked`: the method that the program has called. */
  async #acquire<N extends string>(
    limits: Limits,
    options: AcquireOptions,
    asked: (...args: never[]) => unknown,
  ): Promise<Lease<N>> {
    const takenAt = this.#leaks.trace(asked);
    const call = readCall(limits, options, this.#options.defaults);
    const held = await fromCaller(() => this.#hold(call));
    held.takenAt = takenAt;
    this.#throwIfClosed();
    return this.#lease(held);
  }

  async #hold(call: AcquireCall): Promise<HeldLease> {
    this.#throwIfClosed();
    if (call.amounts.length === 0) {
      call.signal?.throwIfAborted();
      return leaseOnNothing(this.#options.clock.wallMs());
    }
    const { session } = this.#connection ?? (await this.#connected());
    const held = await session.acquire(call);
    for (const { code, limit } of held.grant.warnings)
      this.#warn({ code, message: WARNINGS[code](limit), details: { limit } });
    return held;
  }

  /**
   * Call after each wait for a grant:
   *
   *   1. A grant arrives in the turn in which the keeper is closed.
   *   2. `close()` gives its lease back with all others.
   *   3. The call that waited goes on some steps later. It must neither run a body nor return a lease that is given back.
   */
  #throwIfClosed(): void {
    if (this.#closing) throw closedError();
  }

  /** Calls `onWarning` in a later turn: an error of it must not end the acquire, which would lose its lease. */
  #warn(warning: Warning): void {
    const message = printable(warning.message);
    this.#options.clock.soon(() => this.#options.warn({ ...warning, message }));
  }

  #leaseKeeper(held: HeldLease): LeaseKeeper {
    return held.grant.token === 0 ? nothing : this.#connection!.session;
  }

  #lease<N extends string>(held: HeldLease): Lease<N> {
    const lease = new Lease<N>(held, this.#leaseKeeper(held));
    this.#leaks.watch(held, lease);
    return lease;
  }

  async #run<T, N extends string>(held: HeldLease, body: Body<T, N>): Promise<T> {
    const keeper = this.#leaseKeeper(held);
    const run: Running = { held, within: running.getStore() };
    this.#bodies.add(run);
    try {
      return await running.run(run, () => body(new Lease<N>(held, keeper)));
    } finally {
      await keeper.sendRelease(held);
      this.#bodies.delete(run);
      this.#bodyEnded?.();
    }
  }
}

async function gathered<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const WARNINGS = {
  LIMIT_MISSING: (limit: string) => `There is no limit named '${limit}': nothing was limited (onMissing is 'allow').`,
  LIMIT_INACTIVE: (limit: string) => `Limit '${limit}' is switched off (active is false): nothing was limited.`,
};

function leakWarning(held: HeldLease): Warning {
  return {
    code: 'LEASE_COLLECTED',
    message: `Lease ${held.id} on ${held.text} was collected as garbage and never released: its slots stay taken. Release it, or hold it with 'await using'.`,
    details: { lease: held.id, limits: held.limits },
  };
}

/** Keeps leases without limits: no server was asked for them. */
const nothing: LeaseKeeper = {
  release,
  sendRelease: release,
  check: async (held) => held.state === 'held',
  look() {},
};

function release(held: HeldLease): Promise<void> {
  held.end();
  return held.releasing();
}

function leaseOnNothing(grantedAtMs: number): HeldLease {
  const grant = { token: 0, grantedAtMs, amounts: [], waitedMs: 0, warnings: [] };
  return new HeldLease(randomUUID(), grant, { waitedMs: 0, grantedAtMs: 0, onLost: 'abort', connection: 0 });
}

function closedError(): ConflictError {
  return new ConflictError('The keeper is closed. Connect anew.', { status: 'closed' });
}

function closedReason(held: HeldLease): LeaseLostError {
  return new LeaseLostError(`The keeper is closed, and lease ${held.id} on ${held.text} is given back.`, {
    lease: held.id,
    reason: 'closed',
  });
}
