/**
 * Writes the state down as of one position, part by part, while the state goes on changing.
 *
 * Copy on write: each limit and lease is taken from the state when its turn comes, or, if it is about to change before that, at
 * that moment (`evolve` announces it). So the cost of a part does not depend on the size of the state, and all parts together
 * are the state as of the position at which the writer was made.
 */
import type { Lease, Limit, SnapshotUnderWay, State } from '@slotkeeper/engine';
import { leaseRow, limitRow, type Row, stateRow } from './snapshot-rows.ts';

/** The length of a part without its last row. The event loop stands still while a part is written, so parts are short. */
const PART_CHARS = 2 ** 18;

export class SnapshotWriter implements SnapshotUnderWay {
  readonly position: number;
  readonly #state: State;
  readonly #first: Row;
  /** Rows of limits and leases that changed before their turn and are not in a part yet. */
  #early: Row[] = [];

  /** Begins a snapshot of the state as it is now. One at a time: call `parts` or `end`. */
  constructor(state: State) {
    if (state.snapshotUnderWay) throw new Error('a snapshot of this state is under way');
    this.position = state.position;
    this.#state = state;
    this.#first = stateRow(state);
    state.snapshots += 1;
    state.snapshotUnderWay = this;
  }

  /** Makes each part when the caller asks for it. A caller that stops early ends the snapshot. */
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

  /** Ends the snapshot. The state no longer announces changes to it, and the next snapshot may begin. */
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

  /** Limits and leases come and go between two rows. The walk goes on with those that are left. */
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

  /** Whether the snapshot has it already, or need not have it since it was added later. */
  #has({ snapshot }: Limit | Lease): boolean {
    return snapshot === this.#state.snapshots;
  }
}
