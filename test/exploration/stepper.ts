/** What an exploration drives: the engine alone, as fast as it is, or the engine and the model side by side. */
import { type Command, canonical, Engine, emptyState, evolve, type Fact, type Step } from '@slotkeeper/engine';
import { auditFact, auditState } from '../../packages/engine/test/audit.ts';
import { Duel } from '../../packages/engine/test/duel.ts';

export interface Stepper {
  readonly engine: Engine;
  nowMs: number;
  step(command: Command): Step;
  /** The process dies, and a new one takes over from the facts. */
  restart(): void;
  /** Looks at all that is to be seen after a step; `heldBack`: after a start, while nothing is granted yet. */
  check(heldBack: boolean): void;
}

/** Agreement with the model is looked at in each step; slow. */
export class Dueling extends Duel implements Stepper {
  check(): void {}
}

/** Only `check` looks, so that a path can be walked again quickly. */
export class Alone implements Stepper {
  nowMs = 1_000_000;
  engine: Engine = new Engine(emptyState(), { epoch: 1, nowMs: this.nowMs });
  readonly #facts: Fact[] = [];
  #epoch = 1;

  step(command: Command): Step {
    const step = this.engine.step(command, this.nowMs);
    this.#facts.push(...step.facts);
    return step;
  }

  restart(): void {
    this.#epoch += 1;
    const state = emptyState();
    for (const fact of this.#facts) evolve(state, fact);
    this.engine = new Engine(state, { epoch: this.#epoch, nowMs: this.nowMs });
  }

  check(heldBack: boolean): void {
    const state = emptyState();
    for (const fact of this.#facts) {
      evolve(state, fact);
      auditFact(state, fact);
    }
    const [replayed, own] = [canonical(state), canonical(this.engine.state)];
    if (replayed !== own) throw new Error(`the replayed state differs\n  replayed ${replayed}\n  engine   ${own}`);
    auditState(this.engine, heldBack);
  }
}
