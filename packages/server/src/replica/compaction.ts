/**
 * Compaction: after so many facts the state is stored as a snapshot, so that a start need not replay what went before it,
 * and facts that are older than the retention time go.
 *
 * Only a durable state is worth storing. As a batch is closed the engine's state has its facts and none of the next batch:
 * then the snapshot is begun. It is stored once that batch is durable, part by part beside later batches, however slow the
 * journal is and whatever changes meanwhile.
 * Nothing depends on it: a failure is reported, and the next snapshot is due after as many facts.
 */
import type { State } from '@slotkeeper/engine';
import { type Journal, SnapshotWriter } from '@slotkeeper/journal';

/** How long history is kept for those who read events. */
const RETENTION_MS = 7 * 24 * 3_600_000;

interface Begun {
  readonly snapshot: SnapshotWriter;
  /** Of the engine's time. */
  readonly atMs: number;
}

export interface CompactionOptions {
  readonly journal: Journal;
  /** Of the newest snapshot; 0 without one. */
  readonly snapshotPosition: number;
  readonly snapshotEveryFacts: number;
  readonly failed: (reason: string) => void;
}

export class Compaction {
  readonly #options: CompactionOptions;
  /** Of the last snapshot that was begun. */
  #position: number;
  /** Invariant: its batch is being written. */
  #begun: Begun | null = null;
  #storing: Promise<void> | null = null;

  constructor(options: CompactionOptions) {
    this.#options = options;
    this.#position = options.snapshotPosition;
  }

  /** Call as a batch is closed. */
  batchClosed(state: State): void {
    if (state.position - this.#position < this.#options.snapshotEveryFacts || this.#begun || this.#storing) return;
    this.#begun = this.#begin(state);
  }

  /** Call when the batch that was closed last is durable. */
  batchDurable(): void {
    if (!this.#begun) return;
    this.#storing = this.#store(this.#begun).finally(() => {
      this.#storing = null;
    });
    this.#begun = null;
  }

  /** Resolves when no snapshot is being stored. */
  async idle(): Promise<void> {
    await this.#storing;
  }

  /** Call when nothing more is decided and `state` is durable: the next start replays nothing. */
  async finish(state: State): Promise<void> {
    await this.#storing;
    if (state.position > this.#position) await this.#store(this.#begin(state));
  }

  #begin(state: State): Begun {
    this.#position = state.position;
    return { snapshot: new SnapshotWriter(state), atMs: state.atMs };
  }

  async #store({ snapshot, atMs }: Begun): Promise<void> {
    const { journal, failed } = this.#options;
    try {
      await journal.saveSnapshot(snapshot.position, snapshot.parts());
      await journal.retain(atMs - RETENTION_MS);
    } catch (error) {
      failed((error as Error).message);
    } finally {
      snapshot.end();
    }
  }
}
