/** The books of one engine: its durable state, and what the step under way has written so far. */
import type { Notice } from './commands.ts';
import type { EngineMs, Fact } from './facts.ts';
import { evolve, type Lease, type Limit, type State } from './state.ts';

export class Ledger {
  readonly state: State;
  #nowMs: EngineMs;
  #facts: Fact[] = [];
  #notices: Notice[] = [];

  constructor(state: State, nowMs: EngineMs) {
    this.state = state;
    this.#nowMs = Math.max(nowMs, state.atMs);
  }

  /** Never runs backwards, whatever the host says. */
  get nowMs(): EngineMs {
    return this.#nowMs;
  }

  begin(nowMs: EngineMs): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#facts = [];
    this.#notices = [];
  }

  end(): { readonly facts: readonly Fact[]; readonly notices: readonly Notice[] } {
    return { facts: this.#facts, notices: this.#notices };
  }

  /** The fact has happened: the state has changed, and the host is to make it durable. */
  record(fact: Fact): void {
    evolve(this.state, fact);
    this.#facts.push(fact);
  }

  /** To be told to a session once what has been recorded so far is durable. */
  tell(notice: Notice): void {
    this.#notices.push(notice);
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
