/**
 * Stores the events of the last days in a file, with the projection's state as of the last fact that was folded.
 *
 * Who is right when parts disagree: the journal. Events of slots and limits can be derived from it again, so the file need
 * not survive a loss of power.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Fact } from '@slotkeeper/engine';
import { instant } from '../../api/timestamps.ts';
import type { PrefectEvent } from '../event.ts';
import { ChangingMap } from '../projection/changing-map.ts';
import { Projection } from '../projection/projection.ts';
import type { KnownLimit, OpenGrant, ProjectionState } from '../projection/projection-state.ts';
import { EventTable } from './event-table.ts';
import { leaveSpace, openEventsFile } from './events-file.ts';

const SQL = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  head: 'SELECT position, at, sent FROM head',
  setPosition: 'UPDATE head SET position = ?, at = ?',
  setSent: 'UPDATE head SET sent = ?',
  saved: 'SELECT key, value FROM projection_state WHERE kind = ?',
  save: 'INSERT OR REPLACE INTO projection_state (kind, key, value) VALUES (?, ?, ?)',
  drop: 'DELETE FROM projection_state WHERE kind = ? AND key = ?',
  dropAll: 'DELETE FROM projection_state',
} as const;

/** The journal's time and the clock count as equal if they differ by no more than this. */
const CLOCKS_APART_MS = 1_000;

export interface StoreHead {
  /** The position of the last fact that was folded; null: none ever was. */
  readonly position: number | null;
  /** The time of that fact. */
  readonly atMs: number | null;
  /** The number of the last event that was sent upstream; null: none ever was. */
  readonly sent: number | null;
  /** The number of the last event. */
  readonly seq: number;
}

/** All calls are synchronous, and queries may take long: run it in a thread of its own. */
export class EventStore {
  readonly events: EventTable;
  readonly #file: string | null;
  readonly #db: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;
  #limits!: ChangingMap<KnownLimit>;
  #grants!: ChangingMap<OpenGrant>;
  #projection!: Projection;

  /**
   * @param file created if it is missing, replaced if it cannot be read; null: in memory
   * @param bytesMax the approximate bound on the whole file
   */
  constructor(file: string | null, { bytesMax }: { readonly bytesMax: number }) {
    this.#file = file;
    this.#db = openEventsFile(file);
    this.events = new EventTable(this.#db, bytesMax);
    this.#sql = Object.fromEntries(Object.entries(SQL).map(([name, text]) => [name, this.#db.prepare(text)])) as never;
    this.#load();
  }

  head(): StoreHead {
    const { position = null, at = null, sent = null } = this.#sql.head.get() ?? {};
    return { position, atMs: at, sent, seq: this.events.lastSeq } as StoreHead;
  }

  /** Replaces what it remembers of limits and grants by `state`. */
  startFrom(state: ProjectionState): void {
    this.#transaction(() => {
      this.#sql.dropAll.run();
      this.#know(new ChangingMap(), new ChangingMap());
      for (const limit of state.limits) this.#limits.set(limit.name, limit);
      for (const grant of state.grants) this.#grants.set(grant.lease, grant);
      this.#know(this.#limits, this.#grants);
      this.#save();
      this.#sql.setPosition.run(state.position, state.atMs);
    });
  }

  /** Stores the events of `facts`, which begin right after position `after`. Returns the number of the last event. */
  fold(after: number, facts: readonly Fact[], nowMs: number): number {
    leaveSpace(this.#file);
    const position = this.head().position ?? 0;
    if (after !== position) throw new Error(`facts after ${after} cannot follow those up to ${position}`);
    return this.#transaction(() => {
      // The journal's time may be ahead of the clock, after a start with a fast one: nothing has occurred later than now.
      const latest = instant(nowMs);
      const isLater = instant(nowMs + CLOCKS_APART_MS);
      for (const [at, fact] of facts.entries()) {
        for (const event of this.#projection.apply(after + 1 + at, fact)) {
          const occurred = event.occurred > isLater ? latest : event.occurred;
          this.events.insert({ ...event, occurred }, occurred, nowMs, true);
        }
      }
      this.#save();
      this.#sql.setPosition.run(after + facts.length, facts.at(-1)?.at ?? 0);
      this.events.retain(nowMs);
      return this.events.lastSeq;
    });
  }

  /** Stores events of clients. Returns the number of the last event. */
  add(events: readonly PrefectEvent[], received: string, nowMs: number): number {
    leaveSpace(this.#file);
    return this.#transaction(() => {
      for (const event of events) this.events.insert(event, received, nowMs, false);
      this.events.retain(nowMs);
      return this.events.lastSeq;
    });
  }

  /** Remembers that events up to `seq` have been sent upstream. */
  setSent(seq: number): void {
    this.#sql.setSent.run(seq);
  }

  close(): void {
    this.#db.close();
  }

  #know(limits: ChangingMap<KnownLimit>, grants: ChangingMap<OpenGrant>): void {
    this.#limits = limits;
    this.#grants = grants;
    this.#projection = new Projection(limits, grants);
  }

  #load(): void {
    this.#know(new ChangingMap(this.#saved<KnownLimit>('limit')), new ChangingMap(this.#saved<OpenGrant>('grant')));
  }

  #saved<V>(kind: string): [string, V][] {
    return this.#sql.saved.all(kind).map(({ key, value }) => [key as string, JSON.parse(value as string) as V]);
  }

  #save(): void {
    for (const [kind, changing] of [['limit', this.#limits] as const, ['grant', this.#grants] as const]) {
      for (const [key, value] of changing.takeChanges()) {
        if (value === undefined) this.#sql.drop.run(kind, key);
        else this.#sql.save.run(kind, key, JSON.stringify(value));
      }
    }
  }

  #transaction<T>(body: () => T): T {
    this.#sql.begin.run();
    try {
      const result = body();
      this.#sql.commit.run();
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#sql.rollback.run();
      // The write failed, so the memory is ahead of the file: read it again.
      this.#load();
      throw error;
    }
  }
}
