/** A client: the shipped session and keeper in a simulated process, and the work that its owner does with it. */

import type { AcquireOptions, RateOptions } from '../../packages/client/src/acquire-call.ts';
import { Keeper, type RateTaken } from '../../packages/client/src/keeper.ts';
import type { Lease } from '../../packages/client/src/lease.ts';
import { Session } from '../../packages/client/src/session.ts';
import { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Auditor } from './auditor.ts';
import type { Amounts } from './auditor-model.ts';
import { type ClockFaults, SimulatedProcess } from './host.ts';
import { type Network, Route } from './network.ts';
import type { ClientPlan, LimitPlan } from './plan.ts';
import type { Acquire, Client } from './standing.ts';

export interface World {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly auditor: Auditor;
  readonly names: readonly LimitPlan[];
  /** The same, each as often as it has slots: so often it is asked for. */
  readonly shares: World['names'];
  readonly note: (text: () => string) => void;
  /** False once nothing new is to be begun. */
  readonly isBusy: () => boolean;
}

/** A client does not begin more while so many of its acquires are not over. */
const UNDER_WAY_MAX = 6;
const HOLD_MS_MAX = 120_000;

/** One life of a client: from its start to its end as a process. */
export class SimulatedClient {
  readonly process: SimulatedProcess;
  readonly route: Route;
  readonly audit: Client;
  readonly #world: World;
  readonly #plan: ClientPlan;
  readonly #random: Random;
  readonly #keeper: Keeper;
  readonly #ended: () => void;
  /** Of all ids it makes: no other life of a client has the same. */
  readonly #idPrefix: string;
  #ids = 0;
  #lastId = '';
  #underWay = 0;
  #isClosing = false;

  /** `ended`: its session has ended, and it did not close it. */
  constructor(world: World, name: string, plan: ClientPlan, life: number, clocks: ClockFaults, ended: () => void) {
    this.#world = world;
    this.#plan = plan;
    this.#random = new Random(plan.seed + life);
    this.#ended = ended;
    this.#idPrefix = `${hex(plan.seed)}-${hex(life).slice(4)}-4000-8000`;
    this.process = new SimulatedProcess(world.time, this.#random, clocks);
    this.route = new Route(world.network);
    this.audit = world.auditor.standing.client(name, plan.ttlMs);
    const session = new Session(
      {
        clock: this.process,
        dial: (events) => this.route.dial(this.process, events),
        newId: () => this.#newId(),
        random: () => this.#random.next(),
      },
      { ttlMs: plan.ttlMs, connectTimeoutMs: plan.connectTimeoutMs, apiKey: null, address: 'simulated' },
      { status: (status) => this.#status(status), busy: () => {} },
    );
    this.audit.session = this.#lastId;
    const connection = { session, ttlMs: plan.ttlMs, close: async () => {} };
    const defaults = { host: null, pid: null };
    this.#keeper = new Keeper(connection, { clock: this.process, defaults, warn: () => {} });
    session.start().catch(() => {});
    this.#workLater();
  }

  get keeper(): Keeper {
    return this.#keeper;
  }

  kill(): void {
    this.process.kill();
    this.#world.auditor.gone(this.audit);
  }

  /** Goes away in order. */
  async close(): Promise<void> {
    this.#isClosing = true;
    // What it holds is given back by the end of that, at the latest after its time to live; the signals are aborted now.
    for (const acquire of [...this.audit.acquires]) this.#world.auditor.gaveUp(acquire);
    await this.#keeper.close();
    this.#world.auditor.gone(this.audit);
    this.process.kill();
  }

  #newId(): string {
    this.#ids += 1;
    // Joined, not added: it is looked up by, and what is added is put together again wherever it is.
    this.#lastId = [this.#idPrefix, this.#ids.toString(16).padStart(12, '0')].join('-');
    return this.#lastId;
  }

  #status(status: 'connected' | 'reconnecting' | 'closed'): void {
    this.#world.auditor.standing.status(this.audit, status === 'connected');
    this.#world.note(() => `${this.audit.name} is ${status}`);
    if (status !== 'closed' || this.#isClosing) return;
    // Not within the call: the session is in the midst of its end.
    this.process.soon(() => {
      this.kill();
      this.#ended();
    });
  }

  // Work

  #workLater(): void {
    const { everyMs, atOnce = 1 } = this.#plan.work;
    this.process.setTimer(this.#exponential(everyMs * atOnce), () => {
      if (this.#isClosing || !this.#world.isBusy()) return;
      this.#workLater();
      if (this.#underWay >= UNDER_WAY_MAX) return;
      const holdMs = atOnce > 1 ? this.#exponential(this.#plan.work.holdMs) : undefined;
      for (let i = 0; i < atOnce && this.#keeper.status !== 'closed'; i += 1) this.#work(holdMs);
    });
  }

  #exponential(mean: number): number {
    return -Math.log(1 - this.#random.next()) * mean;
  }

  #chance(chance: number): boolean {
    return chance > 0 && this.#random.next() < chance;
  }

  /** `alikeMs`: so long it is held, as the others that are asked for with it. */
  #work(alikeMs?: number): void {
    const { work } = this.#plan;
    const amounts = this.#amounts();
    const controller = this.#chance(work.cancel) ? new AbortController() : undefined;
    const options = this.#options(amounts, controller?.signal);
    // Who keeps on is worth a longer look.
    const isLong = this.#chance(work.holdsLong * (options.onLost === 'continue' ? 20 : 1));
    const meanMs = isLong ? 2 * this.#plan.ttlMs : work.holdMs;
    const holdMs = isLong || alikeMs === undefined ? Math.min(HOLD_MS_MAX, this.#exponential(meanMs)) : alikeMs;
    this.#underWay += 1;
    const isTry = this.#chance(work.aTry);
    const isBody = !isTry && this.#chance(work.body);
    const isSpending = (work.spends ?? 0) > 0 && this.#areRates(amounts) && this.#chance(work.spends ?? 0);
    const timeoutMs = isTry ? 0 : options.timeoutSeconds === undefined ? null : options.timeoutSeconds * 1_000;
    let acquire: Acquire | undefined;
    const hold = async (lease: Lease<string>): Promise<void> => {
      this.#granted(acquire as Acquire, lease, options.onLost === 'continue');
      await new Promise<void>((resolve) => this.process.setTimer(holdMs, resolve));
      if (this.#chance(work.check)) await this.#check(acquire as Acquire, lease);
      this.#world.auditor.releasing(acquire as Acquire);
      if (!isBody) await lease.release();
    };
    const spend = ({ limits }: RateTaken): void => {
      this.#world.note(() => `${this.audit.name} has spent ${(acquire as Acquire).id}`);
      this.#world.auditor.spent(acquire as Acquire, limits);
    };
    const limits = amounts.length === 1 ? amounts[0]![0] : Object.fromEntries(amounts);
    const timed = isTry ? { ...options, timeoutSeconds: 0 } : options;
    const idBefore = this.#lastId;
    const call = isSpending
      ? this.#keeper.rateLimit(limits, { ...timed, onLost: undefined } as RateOptions).then(spend)
      : isBody
        ? this.#keeper.concurrency(limits, options, hold)
        : this.#keeper.acquire(limits, timed).then(hold);
    if (this.#lastId !== idBefore) acquire = this.#called(amounts, options, timeoutMs);
    if (controller && acquire) this.#cancelLater(controller, acquire);
    call.then(
      () => this.#gaveBack(acquire, isBody),
      (error: unknown) => this.#failed(acquire, error),
    );
  }

  #amounts(): Amounts {
    const { work } = this.#plan;
    const { shares } = this.#world;
    const amounts: [string, number][] = [];
    const count = this.#chance(work.severalLimits) ? this.#random.integer(2, 4) : 1;
    for (let i = 0; i < count; i += 1) {
      const { name, slots } = this.#random.pick(shares);
      const wanted = Math.min(slots, this.#random.integer(1, work.slotsMax));
      const again = amounts.find(([other]) => other === name);
      if (again) again[1] = wanted;
      else amounts.push([name, wanted]);
    }
    return amounts;
  }

  #areRates(amounts: Amounts): boolean {
    const { names } = this.#world;
    return amounts.every(([name]) => names.find((limit) => limit.name === name)?.slotDecayPerSecond !== undefined);
  }

  #options(amounts: Amounts, signal: AbortSignal | undefined): AcquireOptions {
    const { work } = this.#plan;
    const { names } = this.#world;
    return {
      slots: amounts.length === 1 ? amounts[0]![1] : undefined,
      timeoutSeconds: this.#chance(work.timeout) ? this.#random.integer(1, 300) / 10 : undefined,
      priority: this.#chance(work.priority) ? this.#random.integer(-20, 60) : undefined,
      onLost: this.#chance(work.keepsOn) ? 'continue' : 'abort',
      onMissing: this.#chance(work.allowsMissing)
        ? 'allow'
        : this.#chance(work.createsMissing)
          ? { slots: Math.max(...names.map(({ slots }) => slots)) }
          : 'error',
      signal,
    };
  }

  #called(amounts: Amounts, options: AcquireOptions, timeoutMs: number | null): Acquire {
    const { auditor, note } = this.#world;
    const { onMissing = 'error', priority = 0 } = options;
    note(
      () =>
        `${this.audit.name} asks for ${JSON.stringify(amounts)} ${JSON.stringify({ timeoutMs, priority, onMissing })} as ${this.#lastId}`,
    );
    return auditor.called({
      id: this.#lastId,
      client: this.audit,
      amounts,
      priority,
      timeoutMs,
      onMissing: typeof onMissing === 'object' ? 'create' : onMissing,
    });
  }

  #granted(acquire: Acquire, lease: Lease<string>, keepsOn: boolean): void {
    this.#world.note(() => `${this.audit.name} has ${acquire.id}, token ${lease.token}`);
    const { auditor } = this.#world;
    auditor.granted(acquire, { token: lease.token, amounts: lease.limits }, () => {
      // One who keeps on regardless of what it cannot know counts while it can.
      return !lease.signal.aborted && (!keepsOn || auditor.standing.isCalm(this.audit, 1_000));
    });
  }

  async #check(acquire: Acquire, lease: Lease<string>): Promise<void> {
    try {
      this.#world.auditor.checked(acquire, await lease.check());
    } catch {
      // The server could not be asked.
    }
  }

  #cancelLater(controller: AbortController, acquire: Acquire): void {
    this.process.setTimer(this.#random.next() * 2_000, () => {
      if (acquire.state === 'waiting') this.#world.note(() => `${this.audit.name} cancels ${acquire.id}`);
      controller.abort(new Error('cancelled'));
    });
  }

  /** `isOnItsWay`: the server may not have the release yet. */
  #gaveBack(acquire: Acquire | undefined, isOnItsWay: boolean): void {
    this.#underWay -= 1;
    if (!acquire || !this.process.isAlive || acquire.state === 'over') return;
    const { note, auditor } = this.#world;
    note(() => `${this.audit.name} ${isOnItsWay ? 'gives' : 'has given'} ${acquire.id} back`);
    if (isOnItsWay) auditor.releaseSent(acquire);
    else auditor.released(acquire);
  }

  #failed(acquire: Acquire | undefined, error: unknown): void {
    this.#underWay -= 1;
    if (!acquire || !this.process.isAlive || acquire.state === 'over') return;
    const code = (error as { code?: string }).code ?? (acquire.state === 'waiting' ? 'ABORTED' : String(error));
    this.#world.note(() => `${this.audit.name} is told ${code} for ${acquire.id}`);
    this.#world.auditor.failed(acquire, code);
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0');
}
