/** The ledger of one engine: its durable state, and the facts and notices of the step under way. */
import type { Notice, Step } from './commands.ts';
import type { Actor, EngineMs, Fact } from './facts.ts';
import type { Lease } from './lease-table.ts';
import type { Limit } from './limit-table.ts';
import type { Refusal } from './refusals.ts';
import { evolve, type State } from './state.ts';

const NONE: readonly never[] = [];

export class Ledger {
  readonly state: State;
  #nowMs: EngineMs;
  #by: Actor | null = null;
  /** Null while the step has none: most steps have no fact, or no notice. */
  #facts: Fact[] | null = null;
  #notices: Notice[] | null = null;

  constructor(state: State, nowMs: EngineMs) {
    this.state = state;
    this.#nowMs = Math.max(nowMs, state.atMs);
  }

  /** Engine time. It never runs backwards, even if the host's does. */
  get nowMs(): EngineMs {
    return this.#nowMs;
  }

  /** Who asked for the step under way: stands in the facts of what was changed by hand. */
  get by(): Actor | null {
    return this.#by;
  }

  begin(nowMs: EngineMs, by: Actor | null): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#by = by;
    this.#facts = null;
    this.#notices = null;
  }

  end(refusal: Refusal | undefined): Step {
    return { facts: this.#facts ?? NONE, notices: this.#notices ?? NONE, refusal };
  }

  /** Applies the fact to the state, and adds it to the step, so that the host makes it durable. */
  record(fact: Fact): void {
    evolve(this.state, fact);
    if (this.#facts) this.#facts.push(fact);
    else this.#facts = [fact];
  }

  /** Adds a notice, which the host delivers once what has been recorded so far is durable. */
  notify(notice: Notice): void {
    if (this.#notices) this.#notices.push(notice);
    else this.#notices = [notice];
  }

  limit(name: string): Limit {
    const limit = this.state.limits.get(name);
    if (!limit) throw new Error(`limit '${name}' does not exist`);
    return limit;
  }

  lease(id: string): Lease {
    const lease = this.state.leases.get(id);
    if (!lease) throw new Error(`lease ${id} does not exist`);
    return lease;
  }
}
