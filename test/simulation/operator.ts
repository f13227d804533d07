/** The operator, who sets the limits: one change after the other, each acknowledged before the next. */
import type { Keeper } from '../../packages/client/src/keeper.ts';
import type { Auditor } from './auditor.ts';
import type { Change, LimitPlan, Plan } from './plan.ts';

type Later = (delayMs: number, then: () => void) => void;

export class Operator {
  readonly #keeper: Keeper;
  readonly #auditor: Auditor;
  readonly #limits: Plan['limits'];
  readonly #nowMs: () => number;
  readonly #note: (text: () => string) => void;
  /** By limit, what is under way or to be done. */
  readonly #queues = new Map<string, Promise<void>>();

  constructor(
    keeper: Keeper,
    auditor: Auditor,
    limits: Plan['limits'],
    nowMs: () => number,
    note: (text: () => string) => void,
  ) {
    this.#keeper = keeper;
    this.#auditor = auditor;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#note = note;
  }

  begin(): void {
    for (const limit of this.#limits) this.#set(limit.name, atFirst(limit));
  }

  change(change: Change, later: Later): void {
    const limit = this.#limits[change.limit];
    if (!limit) return;
    const { name } = limit;
    const { limits } = this.#keeper;
    switch (change.kind) {
      case 'resize':
        this.#set(name, { slots: change.slots });
        return;
      case 'settings':
        this.#set(name, { overtakes: change.overtakes, maxWaiters: change.maxWaiters });
        return;
      case 'off':
        this.#set(name, { active: false });
        later(change.forMs, () => this.#set(name, { active: true }));
        return;
      case 'pause':
        this.#do(name, `pause ${name}`, () => limits.pause(name), { mode: 'paused' });
        later(change.forMs, () => this.#resume(name));
        return;
      case 'drain':
        // It is answered when nobody holds it any more, and meanwhile it may be resumed.
        limits.drain(name).catch(() => {});
        later(change.forMs, () => this.#resume(name));
        return;
      case 'delete':
        this.#do(name, `delete ${name}`, () => limits.delete(name, { force: true }), null);
        later(change.forMs, () => this.#set(name, atFirst(limit)));
        return;
      case 'decay': {
        const { slotDecayPerSecond } = atFirst(limit);
        this.#set(name, { slotDecayPerSecond: change.slotDecayPerSecond });
        later(change.forMs, () => this.#set(name, { slotDecayPerSecond }));
        return;
      }
    }
  }

  /** Everything as it was at first. */
  openAll(): void {
    for (const limit of this.#limits) {
      this.#set(limit.name, { ...atFirst(limit), active: true, maxWaiters: null });
      this.#resume(limit.name);
    }
  }

  #resume(name: string): void {
    this.#do(name, `resume ${name}`, () => this.#keeper.limits.resume(name), { mode: 'open' });
  }

  #set(name: string, spec: Parameters<Keeper['limits']['set']>[1]): void {
    this.#do(name, `set ${name} ${JSON.stringify(spec)}`, () => this.#keeper.limits.set(name, spec), spec);
  }

  #do(
    name: string,
    what: string,
    call: () => Promise<unknown>,
    expected: Readonly<Record<string, unknown>> | null,
  ): void {
    const before = this.#queues.get(name) ?? Promise.resolve();
    this.#queues.set(
      name,
      before.then(() => this.#carryOut(name, what, call, expected)),
    );
  }

  async #carryOut(
    name: string,
    what: string,
    call: () => Promise<unknown>,
    expected: Readonly<Record<string, unknown>> | null,
  ): Promise<void> {
    try {
      this.#note(() => `the operator: ${what}`);
      const sinceMs = this.#nowMs();
      await call();
      this.#note(() => `the operator is told: ${what}`);
      this.#auditor.changed(name, expected, sinceMs);
    } catch (error) {
      this.#note(() => `the operator: ${what} failed with ${error}`);
    }
  }
}

function atFirst({ slots, slotDecayPerSecond }: LimitPlan) {
  return { slots, slotDecayPerSecond: slotDecayPerSecond ?? null };
}
