/**
 * Writes the state down as of one position, part by part, while the state goes on changing.
 *
 * Copy on write: each limit and lease is taken from the state as its turn comes, or, if it is about to change before
 * that, at that moment (`evolve` announces it). So a part costs what it holds, however much the state has, and all parts
 * together are the state as of the position at which the writer was made.
 */
import type { Lease, Limit, SnapshotUnderWay, State } from '@slotkeeper/engine';
import { leaseRow, limitRow, type Row, stateRow } from './snapshot-rows.ts';

/** Of a part, but for its last row. What the event loop stands still for while a part is written hangs on it. */
const PART_CHARS = 2 ** 18;

export class SnapshotWriter implements SnapshotUnderWay {
  readonly position: number;
  readonly #state: State;
  readonly #first: Row;
  /** Rows of what has changed before its turn, not in a part yet. */
  #early: Row[] = [];

  /** Of the state as it is now. One at a time; `parts` or `end` is to be called. */
  constructor(state: State) {
    if (state.snapshotUnderWay) throw new Error('a snapshot of this state is under way');
    this.position = state.position;
    this.#state = state;
    this.#first = stateRow(state);
    state.snapshots += 1;
    state.snapshotUnderWay = this;
  }

  /** Each part is made as it is asked for. Whoever stops early ends the snapshot. */
  *parts(partChars = PART_CHARS): Generator<string, void, undefined> {
    try {
      let rows = [JSON.stringify(this.#first)];
      let chars = 0;
      for (const row of this.#rows()) {
        if (chars >= partChars) {
          yield `[${rows.join()}]`;
          rows = [];
          chars = 0;
        }
        const text = JSON.stringify(row);
        rows.push(text);
        chars += text.length;
      }
      yield `[${rows.join()}]`;
    } finally {
      this.end();
    }
  }

  /** From now on the state can be changed, and the next snapshot be taken, without it. */
  end(): void {
    if (this.#state.snapshotUnderWay === this) this.#state.snapshotUnderWay = null;
    this.#early = [];
  }

  limitChanges(limit: Limit): void {
    this.#early.push(limitRow(limit));
    limit.snapshot = this.#state.snapshots;
  }

  leaseChanges(lease: Lease): void {
    this.#early.push(leaseRow(lease));
    lease.snapshot = this.#state.snapshots;
  }

  /** While it waits to be asked for the next row, limits and leases come and go. A `Map` goes on with what is left. */
  *#rows(): Generator<Row, void, undefined> {
    for (const limit of this.#state.limits.values()) {
      yield* this.#takeEarly();
      if (this.#has(limit)) continue;
      limit.snapshot = this.#state.snapshots;
      yield limitRow(limit);
    }
    for (const lease of this.#state.leases.values()) {
      yield* this.#takeEarly();
      if (this.#has(lease)) continue;
      lease.snapshot = this.#state.snapshots;
      yield leaseRow(lease);
    }
    yield* this.#takeEarly();
  }

  *#takeEarly(): Generator<Row, void, undefined> {
    while (this.#early.length > 0) {
      const rows = this.#early;
      this.#early = [];
      yield* rows;
    }
  }

  /** Or need not have it, since it came to be later. */
  #has({ snapshot }: Limit | Lease): boolean {
    return snapshot === this.#state.snapshots;
  }
}
