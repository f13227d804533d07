/** A batch: facts, and the answers that are delivered once these are durable. */
import type { Fact, Notice } from '@slotkeeper/engine';
import { DURABLE, type Settled } from './outcome.ts';

export type Sink = (notice: Notice) => void;

/** For the connection that the session had when this was decided. A later connection lists what it knows, and gets its own answers. */
interface ToSession {
  readonly notice: Notice;
  readonly sink: Sink | undefined;
}

export class Batch {
  readonly facts: Fact[] = [];
  /** The answers, in the order in which they were decided. */
  readonly #answers: (ToSession | Settled)[] = [];

  get isEmpty(): boolean {
    return this.facts.length === 0 && this.#answers.length === 0;
  }

  decide(facts: readonly Fact[]): void {
    // Not by spreading: a step may have more facts than a call can have arguments.
    for (const fact of facts) this.facts.push(fact);
  }

  notify(notice: Notice, sink: Sink | undefined): void {
    this.#answers.push({ notice, sink });
  }

  settle(settled: Settled): void {
    this.#answers.push(settled);
  }

  /** Call once the facts are durable. Delivers all answers, and returns the first error that a receiver threw. */
  deliver(): Error | undefined {
    let failure: Error | undefined;
    for (const answer of this.#answers) {
      try {
        if (typeof answer === 'function') answer(DURABLE);
        else answer.sink?.(answer.notice);
      } catch (error) {
        failure ??= error as Error;
      }
    }
    return failure;
  }

  /** Call instead of `deliver` if the batch is lost. Returns the callbacks that must learn of it. */
  undelivered(): Settled[] {
    return this.#answers.filter((answer) => typeof answer === 'function');
  }
}
