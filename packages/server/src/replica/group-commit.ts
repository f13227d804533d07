/**
 * Group commit: all that is decided while one batch is written forms the next.
 *
 *   open ── closed at the end of the turn ──▶ written ── durable ──▶ delivered
 *    ▲ what is decided joins it                  └── the write fails ──▶ lost, and the open one with it
 *
 * A batch with facts is durable once they are appended. A batch without facts tells only of what is durable already, so
 * all that it needs is that this replica still leads: the journal confirms that its epoch is the current one. Where the
 * journal is certain of that at no cost, the batch is delivered in the same turn.
 */
import type { Journal } from '@slotkeeper/journal';
import type { Clock } from '@slotkeeper/protocol';
import { Batch } from './batch.ts';
import type { Settled } from './outcome.ts';

export interface GroupCommitEvents {
  /** `batch`, the open one, is about to be closed: what belongs to it joins it now. */
  closing(batch: Batch): void;
  /** A batch has been delivered: the moment to write frames. */
  delivered(): void;
  /** It is not known what the journal has, or not what a receiver has: nothing of this epoch can be answered any more. */
  failed(reason: string): void;
}

export class GroupCommit {
  readonly #journal: Journal;
  readonly #epoch: number;
  readonly #clock: Clock;
  readonly #events: GroupCommitEvents;
  #durablePosition: number;
  #open: Batch;
  /** Invariant: at most one. Its facts are those after `durablePosition`, and the open batch's follow them. */
  #written: Batch | null = null;
  /** Resolves when the batch that is being written has been delivered or has failed. */
  #writing: Promise<void> | null = null;
  #isScheduled = false;
  #isAbandoned = false;

  /** `position`: of the last fact that is durable. `first`: what has been decided before anybody could ask. */
  constructor(
    journal: Journal,
    { epoch, position }: { readonly epoch: number; readonly position: number },
    first: Batch,
    clock: Clock,
    events: GroupCommitEvents,
  ) {
    this.#journal = journal;
    this.#epoch = epoch;
    this.#durablePosition = position;
    this.#open = first;
    this.#clock = clock;
    this.#events = events;
  }

  /** Facts up to it are durable. */
  get durablePosition(): number {
    return this.#durablePosition;
  }

  /** Of the last fact that has been decided. */
  get decidedPosition(): number {
    return this.#durablePosition + (this.#written?.facts.length ?? 0) + this.#open.facts.length;
  }

  /** The open batch, which is closed at the end of this turn, or when the one before it has been delivered. */
  batch(): Batch {
    if (!this.#isScheduled && !this.#written && !this.#isAbandoned) {
      this.#isScheduled = true;
      this.#clock.soon(() => {
        this.#isScheduled = false;
        this.#close();
      });
    }
    return this.#open;
  }

  /** Resolves when all that has been decided before this call has been delivered, or has failed. */
  async flush(): Promise<void> {
    await this.#writing;
    this.#close();
    await this.#writing;
  }

  /** Nothing of it is delivered any more. Returns those who must learn that it is lost. */
  abandon(): Settled[] {
    this.#isAbandoned = true;
    const lost = [...(this.#written?.undelivered() ?? []), ...this.#open.undelivered()];
    this.#written = null;
    this.#open = new Batch();
    return lost;
  }

  #close(): void {
    if (this.#written || this.#isAbandoned) return;
    this.#events.closing(this.#open);
    if (this.#isAbandoned) return;
    const batch = this.#open;
    this.#open = new Batch();
    this.#written = batch;
    const durable = this.#write(batch);
    if (durable) this.#writing = this.#delivered(batch, durable);
    else this.#deliver(batch);
  }

  /** Undefined if it is certain already that it is durable. */
  #write(batch: Batch): Promise<void> | undefined {
    const epoch = this.#epoch;
    if (batch.facts.length > 0) return this.#journal.append(batch.facts, { epoch, after: this.#durablePosition });
    // Without anybody to tell there is nothing to be certain of.
    return batch.isEmpty ? undefined : this.#journal.confirm({ epoch });
  }

  async #delivered(batch: Batch, durable: Promise<void>): Promise<void> {
    try {
      await durable;
    } catch (error) {
      if (!this.#isAbandoned) this.#events.failed((error as Error).message);
    }
    this.#writing = null;
    this.#deliver(batch);
  }

  /** All of it is delivered, also if the replica fails meanwhile: it is durable. What has been abandoned is not. */
  #deliver(batch: Batch): void {
    if (this.#written !== batch) return;
    this.#written = null;
    this.#durablePosition += batch.facts.length;
    let failure = batch.deliver();
    try {
      this.#events.delivered();
    } catch (error) {
      failure ??= error as Error;
    }
    // A receiver that throws has missed something that nobody can say again.
    if (failure && !this.#isAbandoned) this.#events.failed(`an answer could not be delivered: ${failure.stack}`);
    // What joined it while this one was written.
    if (!this.#open.isEmpty) this.batch();
  }
}
