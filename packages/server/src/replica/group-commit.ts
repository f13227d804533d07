/**
 * Group commit: all that is decided while one batch is written forms the next.
 *
 *   open ── closed at the end of the turn ──▶ written ── durable ──▶ delivered
 *    ▲ what is decided joins it                  └── the write fails ──▶ lost, and the open one with it
 *
 * A batch with facts is durable once they are appended. A batch without facts shows only what is durable already. It needs
 * only that this replica still leads: the journal confirms that the epoch is the current one. A journal that is certain of
 * that at no cost has the batch delivered in the same turn.
 */
import type { Journal } from '@slotkeeper/journal';
import type { Clock } from '@slotkeeper/protocol';
import { Batch } from './batch.ts';
import type { Settled } from './outcome.ts';

export interface GroupCommitEvents {
  /** The open batch is about to be closed: add now what belongs to it. */
  closing(batch: Batch): void;
  /** A batch has been delivered: the moment to write frames. */
  delivered(): void;
  /** It is unknown what the journal has, or what a receiver has. So nothing of this epoch can be answered any more. */
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

  /** `position`: that of the last durable fact. `first`: the batch with what was decided before anybody could ask. */
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

  /** The position of the last durable fact. */
  get durablePosition(): number {
    return this.#durablePosition;
  }

  /** The position of the last fact that has been decided. */
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

  /** Delivers nothing any more. Returns the callbacks that must learn that they are lost. */
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

  /** Returns undefined if the batch is durable already. */
  #write(batch: Batch): Promise<void> | undefined {
    const epoch = this.#epoch;
    if (batch.facts.length > 0) return this.#journal.append(batch.facts, { epoch, after: this.#durablePosition });
    // A batch without answers needs no confirmation.
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

  /** Delivers the whole batch, even if the replica fails meanwhile, since it is durable. An abandoned batch is not delivered. */
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
    // A receiver that throws has missed an answer, and nobody can send it again.
    if (failure && !this.#isAbandoned) this.#events.failed(`an answer could not be delivered: ${failure.stack}`);
    // Commands were decided while this batch was written: write them next.
    if (!this.#open.isEmpty) this.batch();
  }
}
