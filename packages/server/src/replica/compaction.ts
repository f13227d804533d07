/**
 * Compaction: after so many facts the state is stored as a snapshot, so that a start need not replay what went before it.
 * Then the oldest facts that it covers are removed: those older than the retention time, and more until history is within its
 * bytes.
 *
 *   1. A snapshot begins when a batch is closed: then the engine's state has the batch's facts and none of the next.
 *   2. It is stored once that batch is durable, in parts beside later batches, while the state goes on changing.
 *   3. If that fails, the failure is logged, and the next snapshot is due after as many facts. Nothing else depends on it.
 *
 * If the journal's disk is short of space, snapshots come sooner, so that more history can be removed, and a warning is logged
 * once a minute.
 *
 * A snapshot writes a row for each limit and lease. It is due after half as many facts at the earliest, so that what
 * snapshots cost grows with the facts and not with the state.
 */
import type { State } from '@slotkeeper/engine';
import { type Journal, SnapshotWriter, type Space } from '@slotkeeper/journal';

/** How much history is kept, for readers of events. */
export interface Retention {
  readonly ageMs: number;
  readonly bytes: number;
}

export interface CompactionBounds {
  /** Facts between two snapshots: the most that a start has to replay, unless there are more limits and leases. */
  readonly snapshotEveryFacts: number;
  readonly retention: Retention;
}

/** A start replays so many in about a tenth of a second. */
const SNAPSHOT_EVERY_FACTS = 50_000;

export const RETENTION: Retention = { ageMs: 7 * 24 * 3_600_000, bytes: 2 ** 30 };

/** With fewer, a state that grows with each fact would never be due again. */
const ROWS_A_FACT = 2;

/**
 * A snapshot is due after so many bytes of facts, too, or an eighth of what retention keeps, since retention can remove only
 * what a snapshot covers.
 */
const SNAPSHOT_EVERY_BYTES_MIN = 4 * 2 ** 20;
const SNAPSHOTS_IN_RETENTION = 8;

/** The disk's space is checked after so many facts or so long, whichever is sooner. If it is short, a snapshot is due. */
const LOOK_EVERY_FACTS = 5_000;
const LOOK_EVERY_MS = 60_000;

export function compactionBounds(given: Partial<CompactionBounds>): CompactionBounds {
  return { snapshotEveryFacts: SNAPSHOT_EVERY_FACTS, retention: RETENTION, ...given };
}

interface Begun {
  readonly snapshot: SnapshotWriter;
  /** Engine time. */
  readonly atMs: number;
}

export interface CompactionOptions {
  readonly journal: Journal;
  /** The position of the newest snapshot; 0 without one. */
  readonly snapshotPosition: number;
  readonly bounds: CompactionBounds;
  /** Engine time. */
  readonly startedAtMs: number;
  /** Logs something that an operator should know. */
  readonly warn: (message: string) => void;
}

export class Compaction {
  readonly #options: CompactionOptions;
  /** The position of the last snapshot that was begun. */
  #position: number;
  /** How much the journal had appended when that began. */
  #appendedBytes = 0;
  /** The size of the last snapshot that was stored; 0 before the first. */
  #snapshotBytes = 0;
  #hasTrimmed = false;
  /** When the disk's space was last checked. */
  #looked = { position: 0, atMs: Number.NEGATIVE_INFINITY };
  #warnedAtMs = Number.NEGATIVE_INFINITY;
  #isEnding = false;
  /** Invariant: its batch is being written. */
  #begun: Begun | null = null;
  #storing: Promise<void> | null = null;

  constructor(options: CompactionOptions) {
    this.#options = options;
    this.#position = options.snapshotPosition;
    this.#looked = { position: this.#position, atMs: options.startedAtMs };
  }

  /** Call as a batch is closed. */
  batchClosed(state: State): void {
    if (this.#begun || this.#storing || !this.#isDue(state)) return;
    this.#begun = this.#begin(state);
  }

  /** Call when the batch that was closed last is durable. */
  batchDurable(): void {
    if (this.#storing) return;
    // This process may have smaller bounds than the one before, whose snapshot already covers what is too much.
    const isFirst = !this.#hasTrimmed;
    if (!this.#begun && !isFirst) return;
    this.#storing = (this.#begun ? this.#store(this.#begun) : this.#trim(this.#options.startedAtMs)).finally(() => {
      this.#storing = null;
    });
    this.#begun = null;
  }

  /** Resolves when no snapshot is being stored. Also stops trimming history: the next start goes on with it. */
  async idle(): Promise<void> {
    this.#isEnding = true;
    await this.#storing;
  }

  /** Call when nothing more is decided and `state` is durable: the next start replays nothing. */
  async finish(state: State): Promise<void> {
    await this.idle();
    if (state.position > this.#position) await this.#store(this.#begin(state));
  }

  #isDue(state: State): boolean {
    const { bounds, journal } = this.#options;
    const facts = state.position - this.#position;
    const rows = state.limits.size + state.leases.size;
    if (facts >= Math.max(bounds.snapshotEveryFacts, rows / ROWS_A_FACT)) return true;
    if (this.#isShort(state) && facts >= Math.max(LOOK_EVERY_FACTS, rows / ROWS_A_FACT)) return true;
    const everyBytes = Math.max(bounds.retention.bytes / SNAPSHOTS_IN_RETENTION, SNAPSHOT_EVERY_BYTES_MIN);
    return journal.appendedBytes - this.#appendedBytes >= Math.max(everyBytes, this.#snapshotBytes);
  }

  /** Only where it is time to look again. */
  #isShort({ position, atMs }: State): boolean {
    if (position < this.#looked.position + LOOK_EVERY_FACTS && atMs < this.#looked.atMs + LOOK_EVERY_MS) return false;
    this.#looked = { position, atMs };
    const space = this.#options.journal.space();
    if (!space || space.freeBytes >= space.wantedBytes) return false;
    if (atMs >= this.#warnedAtMs + LOOK_EVERY_MS) {
      this.#warnedAtMs = atMs;
      this.#options.warn(shortOfSpace(this.#options.journal.description, space));
    }
    return true;
  }

  #begin(state: State): Begun {
    this.#position = state.position;
    this.#appendedBytes = this.#options.journal.appendedBytes;
    return { snapshot: new SnapshotWriter(state), atMs: state.atMs };
  }

  async #store({ snapshot, atMs }: Begun): Promise<void> {
    const { journal, warn } = this.#options;
    let bytes = 0;
    function* measured(parts: Iterable<string>): Generator<string> {
      for (const part of parts) {
        bytes += Buffer.byteLength(part);
        yield part;
      }
    }
    try {
      await journal.saveSnapshot(snapshot.position, measured(snapshot.parts()));
      this.#snapshotBytes = bytes;
    } catch (error) {
      warn(`No snapshot was kept: ${(error as Error).message}`);
    } finally {
      snapshot.end();
    }
    await this.#trim(atMs);
  }

  async #trim(nowMs: number): Promise<void> {
    const { journal, warn } = this.#options;
    const { ageMs, bytes } = this.#options.bounds.retention;
    this.#hasTrimmed = true;
    const kept = { sinceMs: nowMs - ageMs, bytesMax: bytes };
    try {
      let isMore = !this.#isEnding;
      while (isMore) isMore = (await journal.retain(kept)) && !this.#isEnding;
    } catch (error) {
      warn(`History was not trimmed: ${(error as Error).message}`);
    }
  }
}

function shortOfSpace(journal: string, { freeBytes, wantedBytes, ballastBytes }: Space): string {
  const [free, wanted, ballast] = [freeBytes, wantedBytes, ballastBytes].map(
    (bytes) => `${Math.floor(bytes / 2 ** 20)} MiB`,
  );
  return `The disk of ${journal} has ${free} left, less than ${wanted}: history goes first, then the ballast of ${ballast}. Free some space.`;
}
