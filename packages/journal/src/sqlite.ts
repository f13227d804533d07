/** The journal in one file, by SQLite, which runs in the event loop: a commit is one sync of the disk. */
import { join, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import type { Fact } from '@slotkeeper/engine';
import { Ballast, type Space } from './ballast.ts';
import { encodeFacts } from './codec.ts';
import { FORMAT } from './formats.ts';
import {
  type Followed,
  type Journal,
  JournalError,
  type JournalHost,
  type Led,
  notCurrent,
  notLed,
  notOpen,
  type Retained,
  type StoredFact,
} from './journal.ts';
import { leaveNote, removeNote } from './owner.ts';
import { damaged, failure, isBusy, isDiskFull, nearlyFull } from './sqlite-failure.ts';
import { formatOf, makeFolder, takeFile } from './sqlite-file.ts';
import { migrateFromFormat3, TablesOfFormat3 } from './sqlite-format-3.ts';
import { type Batch, type Contents, PAGE_BYTES, Tables, transaction } from './sqlite-tables.ts';

/** Retention removes at most so many batches in a turn of the event loop, so that grants need not wait for it. */
const BATCHES_A_TURN = 500;
/** At most so many pages are given back in a turn: 1 MiB. SQLite may have to move each. */
const PAGES_A_TURN = 256;
/** So many free pages stay in the file, 16 MiB: facts until the next snapshot fill them again. */
const PAGES_SPARE = 4096;

/** With less than this free on the disk and in the file no snapshot of several parts is written. */
const SPACE_LEFT = 16 * 2 ** 20;
/** So many batches go at once when the disk is full, while grants wait. */
const BATCHES_WHEN_FULL = 2_000;

/** Two processes that open the file at the same time can refuse each other. So each tries again, after a random pause. */
const ATTEMPTS = 5;
const PAUSE_MAX_MS = 40;

/** One process has it at a time, from `follow` to `close` or to its end. Nothing else may write to its file. */
export class SqliteJournal implements Journal {
  readonly description: string;
  readonly #folder: string | undefined;
  readonly #file: string;
  readonly #host: JournalHost;
  readonly #ballast: Ballast;
  #db: DatabaseSync | undefined;
  /** Set while it follows or leads. */
  #contents: Contents | undefined;
  /** Set while it leads. */
  #tables: Tables | undefined;
  /** The epoch of this leader; 0 before it leads. */
  #epoch = 0;
  #appendedBytes = 0;
  /** Why nothing more is written. */
  #failed: JournalError | undefined;

  /** `folder` is created if it is missing, and holds `slotkeeper.db`. The folder of a `file` must exist. */
  constructor(place: { readonly folder: string } | { readonly file: string }, host: JournalHost) {
    this.#host = host;
    const isFolder = 'folder' in place;
    this.#folder = isFolder ? place.folder : undefined;
    this.#file = isFolder ? join(place.folder, 'slotkeeper.db') : place.file;
    this.#ballast = new Ballast(resolve(this.#file));
    this.description = `sqlite ${isFolder ? place.folder : place.file}`;
  }

  /** Takes the file, so that no other process can. */
  async follow(): Promise<Followed> {
    if (this.#contents) throw new Error('a journal is followed once');
    try {
      if (this.#folder !== undefined) makeFolder(this.#folder);
      this.#db = await takeWhenFree(this.#file, this.#ballast);
      this.#contents = formatOf(this.#db) === FORMAT ? new Tables(this.#db) : new TablesOfFormat3(this.#db);
      const followed = this.#followed(this.#contents);
      leaveNote(this.#file);
      return followed;
    } catch (error) {
      const told = failure('open', this.#file, error);
      this.#letGo();
      throw told;
    }
  }

  async lead(): Promise<Led> {
    const contents = this.#open();
    if (this.#tables) throw new Error('a journal is led once');
    const db = this.#db as DatabaseSync;
    try {
      const tables = this.#inAnyCase(() =>
        transaction(db, () => {
          const present = contents instanceof Tables ? contents : migrateFromFormat3(db);
          const head = present.head();
          present.setHead({ ...head, epoch: head.epoch + 1 });
          return present;
        }),
      );
      const { epoch, position } = tables.head();
      this.#contents = tables;
      this.#tables = tables;
      this.#epoch = epoch;
      return { epoch, position, nowMs: this.#host.wallMs() };
    } catch (error) {
      throw failure('write to', this.#file, error);
    }
  }

  async append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void> {
    const newest = facts.at(-1);
    if (!newest) throw new RangeError('an append of no facts');
    const { epoch, after } = at;
    const last = after + facts.length;
    const row = { first: after + 1, last, epoch, at: newest.at, facts: encodeFacts(facts), format: FORMAT };
    this.#inAnyCase(() =>
      this.#write('append to', (tables) => {
        const head = tables.head();
        if (epoch !== head.epoch || after !== head.position) throw notCurrent(this.description, head, at);
        tables.insertBatch(row);
        tables.setHead({ ...head, position: last });
      }),
    );
    this.#appendedBytes += Buffer.byteLength(row.facts);
  }

  /** No other process can have led the journal, since this one has SQLite's lock on the file. */
  confirm({ epoch }: { readonly epoch: number }): Promise<void> | undefined {
    try {
      const tables = this.#led();
      if (epoch === this.#epoch) return undefined;
      const head = tables.head();
      throw notCurrent(this.description, head, { epoch, after: head.position });
    } catch (error) {
      return Promise.reject(failure('read', this.#file, error));
    }
  }

  async saveSnapshot(position: number, parts: Iterable<string>): Promise<void> {
    const head = this.#led().head();
    if (position > head.position) throw notCurrent(this.description, head, { epoch: head.epoch, after: position });
    if (position <= head.snapshot) return;
    const iterator = parts[Symbol.iterator]();
    try {
      let next = iterator.next();
      for (let part = 1; !next.done; part += 1) {
        const row = { position, part, rows: next.value };
        next = iterator.next();
        const isLast = next.done === true;
        if (!isLast) await this.#turn();
        const write = () => this.#writeSnapshot((tables) => tables.insertPart(row, isLast));
        // One of a single part is as small as an append, and lets history go.
        if (isLast && part === 1) this.#inAnyCase(write);
        else {
          this.#leaveSpace();
          write();
        }
        if (!isLast) await this.#turn();
      }
    } finally {
      iterator.return?.();
    }
  }

  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    const contents = this.#open();
    try {
      const head = contents.head();
      if (after < head.removed)
        throw new JournalError(
          'HISTORY_GONE',
          `The facts up to ${head.removed} were removed from '${this.#file}' by retention: read on after ${head.removed}.`,
        );
      return [...this.#facts(after, Math.min(head.position, after + limit))];
    } catch (error) {
      throw failure('read', this.#file, error);
    }
  }

  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  space(): Space | undefined {
    return this.#ballast.space();
  }

  async retain(kept: Retained): Promise<boolean> {
    const { freeBytes = 0, wantedBytes = 0 } = this.space() ?? {};
    const lackingBytes = wantedBytes - freeBytes;
    const removed = this.#inAnyCase(() =>
      this.#write('write to', (tables) => tables.removeBatches(kept, lackingBytes, BATCHES_A_TURN)),
    );
    await this.#turn();
    if (removed > 0) return true;
    if (this.#folder !== undefined && this.#ballast.grow()) return true;
    // What is given back to a disk that is short of space others may take.
    const lacking = Math.max(0, Math.ceil(lackingBytes / PAGE_BYTES));
    const spare = Math.max(lacking, Math.min(PAGES_SPARE, Math.floor(kept.bytesMax / 8 / PAGE_BYTES)));
    const givenBack = this.#write('write to', (tables) => tables.giveBack(spare, PAGES_A_TURN));
    if (givenBack > 0) this.#cutFile();
    await this.#turn();
    return givenBack > 0;
  }

  async close(): Promise<void> {
    if (this.#contents) removeNote(this.#file);
    this.#letGo();
  }

  #followed(contents: Contents): Followed {
    const { position, removed, snapshot } = contents.head();
    if (snapshot < removed) throw damaged(this.#file, `the snapshot is missing that covers fact ${removed}`);
    if (snapshot > position) throw damaged(this.#file, `its snapshot is of ${snapshot}, its last fact ${position}`);
    return {
      snapshot: snapshot > 0 ? { position: snapshot, parts: this.#parts() } : undefined,
      facts: this.#facts(snapshot, position),
    };
  }

  *#parts(): Generator<string> {
    try {
      yield* this.#open().parts();
    } catch (error) {
      throw failure('read', this.#file, error);
    }
  }

  /** Reads the next batch when the caller asks for its first fact. */
  *#facts(after: number, upTo: number): Generator<StoredFact> {
    let position = after + 1;
    while (position <= upTo) {
      const { first, last, facts } = this.#batchWith(position);
      for (; position <= Math.min(last, upTo); position += 1) {
        const fact = facts[position - first];
        if (!fact) throw damaged(this.#file, `fact ${position} is missing`);
        yield { position, fact };
      }
    }
  }

  #batchWith(position: number): Batch {
    const contents = this.#open();
    try {
      return contents.batchWith(position);
    } catch (error) {
      throw failure('read', this.#file, error);
    }
  }

  #write<T>(doing: 'append to' | 'write to', body: (tables: Tables) => T): T {
    const tables = this.#led();
    if (this.#failed) throw this.#failed;
    try {
      return transaction(this.#db as DatabaseSync, () => body(tables));
    } catch (error) {
      if (error instanceof JournalError) throw error;
      const named = failure(doing, this.#file, error);
      // Nobody knows whether the disk has the write, so nothing may follow it. A full disk surely does not have it.
      if (!isDiskFull(error)) this.#failed = named;
      throw named;
    }
  }

  /**
   * When the disk is full, room is found in this order: in the log, from the start again; in history that a snapshot covers; in
   * the ballast. Only the last of these takes any space of the disk, so on a full one grants go on for as long as history goes.
   */
  #inAnyCase<T>(write: () => T): T {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return write();
      } catch (error) {
        if (!isDiskFull(error) || !this.#findRoom(attempt)) throw error;
      }
    }
  }

  #findRoom(attempt: number): boolean {
    const isRewound = this.#rewindLog();
    if (attempt === 1 && isRewound) return true;
    // Pages that history has let go of are of no use where the file itself has to grow.
    const wasDropped = attempt % 2 === 0 && this.#dropHistory();
    return wasDropped || this.#ballast.giveBack() || this.#dropHistory();
  }

  /** What is in the log is moved into the file, so that the log can be written from its start. */
  #rewindLog(): boolean {
    return this.#isDone((db) => {
      db.exec('PRAGMA wal_checkpoint(RESTART)');
      return true;
    });
  }

  #dropHistory(): boolean {
    const tables = this.#tables;
    if (!tables) return false;
    const all = { sinceMs: Number.POSITIVE_INFINITY, bytesMax: 0 };
    return this.#isDone((db) => transaction(db, () => tables.removeBatches(all, 0, BATCHES_WHEN_FULL)) > 0);
  }

  /** False, too, if there is no room for that either. */
  #isDone(body: (db: DatabaseSync) => boolean): boolean {
    try {
      return body(this.#db as DatabaseSync);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      return false;
    }
  }

  /** After a failure nobody knows whether the disk has the part. Either way it changes nothing for appends. */
  #writeSnapshot<T>(body: (tables: Tables) => T): T {
    const tables = this.#led();
    if (this.#failed) throw this.#failed;
    try {
      return transaction(this.#db as DatabaseSync, () => body(tables));
    } catch (error) {
      throw failure('write to', this.#file, error);
    }
  }

  /** Cuts the file by a checkpoint, which SQLite by itself would make only after many more writes. */
  #cutFile(): void {
    try {
      this.#db?.exec('PRAGMA wal_checkpoint');
    } catch (error) {
      throw failure('write to', this.#file, error);
    }
  }

  /** What appends need is not theirs to take: a full disk would end grants, a snapshot can wait. */
  #leaveSpace(): void {
    const inFile = this.#led().freePages * PAGE_BYTES;
    const { freeBytes = SPACE_LEFT } = this.space() ?? {};
    if (freeBytes + inFile < SPACE_LEFT) throw nearlyFull(this.#file, SPACE_LEFT);
  }

  #open(): Contents {
    if (!this.#contents) throw notOpen(this.description);
    return this.#contents;
  }

  #led(): Tables {
    this.#open();
    if (!this.#tables) throw notLed(this.description);
    return this.#tables;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#host.soon(resolve));
  }

  #letGo(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#contents = undefined;
    this.#tables = undefined;
  }
}

async function takeWhenFree(file: string, ballast: Ballast): Promise<DatabaseSync> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return takeFile(file);
    } catch (error) {
      if (isDiskFull(error) && ballast.giveBack()) continue;
      if (!isBusy(error) || attempt === ATTEMPTS) throw error;
      await setTimeout(Math.random() * PAUSE_MAX_MS);
    }
  }
}
