/** The table of events. Each has a number, in the order in which they were stored. */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { type PrefectEvent, RESOURCE_ID } from '../event.ts';
import { beginningsOf, type EventFilter, type Matcher, matcherOf, withoutNamesAndIds } from './event-filter.ts';
import { PAGE_BYTES } from './events-file.ts';

/** As long as the journal keeps its history. */
const RETENTION_MS = 7 * 24 * 3_600_000;
/** The size of a slice: it is in memory as a whole, perhaps once for each of many readers. */
const SLICE_BYTES = 1_048_576;
/** At most so many events are removed at once, since no call is answered meanwhile. */
const REMOVED_AT_ONCE = 5_000;
/** Free pages that stay in the file, and how many more go back to the disk at once. */
const PAGES_SPARE = 4_096;
const PAGES_AT_ONCE = 1_024;
/** After so long a query lets others have a turn. */
const TURN_MS = 20;

const SQL = {
  insert:
    'INSERT OR IGNORE INTO event (id, occurred, name, resource, stored, derived, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
  lastSeq: "SELECT seq FROM sqlite_sequence WHERE name = 'event'",
  after: 'SELECT seq, derived, body FROM event WHERE seq > ? ORDER BY seq',
  body: 'SELECT body FROM event WHERE seq = ?',
  oldest: 'SELECT seq, stored FROM event ORDER BY seq LIMIT ?',
  remove: 'DELETE FROM event WHERE seq <= ?',
  pages: 'PRAGMA page_count',
  freePages: 'PRAGMA freelist_count',
} as const;

export interface Asked {
  readonly offset: number;
  readonly limit: number;
  /** Leaves out events with a greater number; null: none. */
  readonly upTo: number | null;
  /** Whether to count all events that match. */
  readonly counts: boolean;
}

export interface Page {
  /** The events, each as JSON. */
  readonly events: readonly string[];
  /** How many events match; 0 if that was not asked for. */
  readonly total: number;
  /** The number of the last event in the table. */
  readonly seq: number;
}

export interface Slice {
  readonly events: readonly string[];
  /** The slice covers the events up to this number. */
  readonly seq: number;
}

interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

export class EventTable {
  readonly #db: DatabaseSync;
  readonly #sql: Readonly<Record<keyof typeof SQL, StatementSync>>;
  readonly #bytesMax: number;

  /** @param bytesMax the approximate bound on the whole file */
  constructor(db: DatabaseSync, bytesMax: number) {
    this.#db = db;
    this.#bytesMax = bytesMax;
    this.#sql = Object.fromEntries(Object.entries(SQL).map(([name, text]) => [name, db.prepare(text)])) as never;
  }

  get lastSeq(): number {
    return Number(this.#sql.lastSeq.get()?.seq ?? 0);
  }

  /** An event whose id is there already changes nothing. */
  insert(event: PrefectEvent, received: string, nowMs: number, isDerived: boolean): void {
    const { id, occurred, event: name, resource } = event;
    const body = JSON.stringify({ ...event, received });
    this.#sql.insert.run(id, occurred, name, resource[RESOURCE_ID]!, nowMs, isDerived ? 1 : 0, body);
  }

  /** Yields now and then. */
  *page(filter: EventFilter, asked: Asked): Generator<void, Page> {
    const seq = this.lastSeq;
    const condition = conditionOf(filter, asked.upTo ?? seq);
    const begins = matcherOf(beginningsOf(filter));
    const matches = matcherOf(withoutNamesAndIds(filter));
    const isPicked = !begins && !matches && !filter.resource.distinct;
    const page = isPicked
      ? this.#pick(filter, asked, condition)
      : yield* this.#scan(filter, asked, condition, begins, matches);
    return { ...page, seq };
  }

  /** Finds a page where the database alone can decide which events match. */
  #pick({ order }: EventFilter, { offset, limit, counts }: Asked, { sql, values }: Condition): Omit<Page, 'seq'> {
    const rows = this.#db.prepare(`SELECT body FROM event WHERE ${sql} ${ordered(order)} LIMIT ? OFFSET ?`);
    const events = rows.all(...values, limit, offset).map(({ body }) => body as string);
    if (!counts) return { events, total: 0 };
    const count = this.#db.prepare(`SELECT count(*) AS count FROM event WHERE ${sql}`).get(...values)?.count;
    return { events, total: Number(count) };
  }

  *#scan(
    { order, resource }: EventFilter,
    { offset, limit, counts }: Asked,
    { sql, values }: Condition,
    begins: Matcher | undefined,
    matches: Matcher | undefined,
  ): Generator<void, Omit<Page, 'seq'>> {
    const events: string[] = [];
    const seen = new Set<string>();
    let total = 0;
    const rows = this.#db.prepare(`SELECT seq, name, resource FROM event WHERE ${sql} ${ordered(order)}`);
    let turnEndsMs = performance.now() + TURN_MS;
    for (const row of rows.iterate(...values)) {
      if (performance.now() >= turnEndsMs) {
        yield;
        turnEndsMs = performance.now() + TURN_MS;
      }
      const [seq, name, id] = [Number(row.seq), row.name as string, row.resource as string];
      if (resource.distinct && seen.has(id)) continue;
      if (begins && !begins({ event: name, resource: { [RESOURCE_ID]: id } } as unknown as PrefectEvent)) continue;
      if (matches && !matches(JSON.parse(this.#bodyOf(seq)))) continue;
      if (resource.distinct) seen.add(id);
      total += 1;
      if (total > offset && events.length < limit) events.push(this.#bodyOf(seq));
      else if (!counts && events.length >= limit) break;
    }
    return { events, total };
  }

  #bodyOf(seq: number): string {
    return this.#sql.body.get(seq)?.body as string;
  }

  /** Events after number `seq` in the order in which they were stored: `limit` at the most, of `scanMax` looked at, in one turn. */
  after(seq: number, filter: EventFilter, limit: number, scanMax: number): Slice {
    const { since, until } = filter.occurred;
    const matches = matcherOf(filter);
    return this.#slice(seq, limit, scanMax, (body) => {
      const event = JSON.parse(body) as PrefectEvent;
      return event.occurred >= since && event.occurred <= until && (!matches || matches(event));
    });
  }

  /** Like `after`, but only events that were derived from the journal. */
  derivedAfter(seq: number, limit: number, scanMax: number): Slice {
    return this.#slice(seq, limit, scanMax, (_body, isDerived) => isDerived);
  }

  #slice(
    after: number,
    limit: number,
    scanMax: number,
    isWanted: (body: string, isDerived: boolean) => boolean,
  ): Slice {
    const events: string[] = [];
    const turnEndsMs = performance.now() + TURN_MS;
    // What comes after it may come to be while the rows are read.
    const lastSeq = this.lastSeq;
    let scanned = 0;
    let bytes = 0;
    for (const row of this.#sql.after.iterate(after)) {
      const body = row.body as string;
      scanned += 1;
      if (isWanted(body, row.derived === 1)) {
        events.push(body);
        bytes += body.length;
      }
      const seq = Number(row.seq);
      if (events.length >= limit || bytes >= SLICE_BYTES || scanned >= scanMax) return { events, seq };
      if (seq >= lastSeq || performance.now() >= turnEndsMs) return { events, seq };
    }
    // Those up to the last one may be gone.
    return { events, seq: Math.max(after, lastSeq) };
  }

  /** Removes events that are too old, and the oldest ones while the file is too large. */
  retain(nowMs: number): void {
    const isTooLarge = this.#usedBytes() > this.#bytesMax;
    let gone = 0;
    for (const { seq, stored } of this.#sql.oldest.iterate(REMOVED_AT_ONCE)) {
      if (!isTooLarge && Number(stored) >= nowMs - RETENTION_MS) break;
      gone = Number(seq);
    }
    if (gone > 0) this.#sql.remove.run(gone);
    // None in a file that an earlier version made.
    if (this.#freePages() > PAGES_SPARE) this.#db.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`);
  }

  #usedBytes(): number {
    return (Number(this.#sql.pages.get()?.page_count) - this.#freePages()) * PAGE_BYTES;
  }

  #freePages(): number {
    return Number(this.#sql.freePages.get()?.freelist_count);
  }
}

function ordered(order: EventFilter['order']): string {
  return order === 'ASC' ? 'ORDER BY occurred, seq' : 'ORDER BY occurred DESC, seq DESC';
}

const IS_ONE_OF = 'IN (SELECT value FROM json_each(?))';

/**
 * The conditions that the database checks: the time, and exact names and ids. It has an index for these. A query that took
 * long could not be interrupted.
 */
function conditionOf({ occurred, event, resource, id }: EventFilter, upTo: number): Condition {
  const lists: readonly (readonly [list: readonly string[], sql: string])[] = [
    [id, `id ${IS_ONE_OF}`],
    [event.name, `name ${IS_ONE_OF}`],
    [event.exclude_name, `NOT name ${IS_ONE_OF}`],
    [resource.id, `resource ${IS_ONE_OF}`],
  ];
  const asked = lists.filter(([list]) => list.length > 0);
  return {
    sql: ['occurred BETWEEN ? AND ? AND seq <= ?', ...asked.map(([, sql]) => sql)].join(' AND '),
    values: [occurred.since, occurred.until, upTo, ...asked.map(([list]) => JSON.stringify(list))],
  };
}
