/** The journal in one file, by SQLite, which runs in the event loop: a commit is one sync of the disk. */
import { statfsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import type { Fact } from '@slotkeeper/engine';
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

/** Retention goes on in the next turn of the event loop after so many batches, so that grants need not wait for it. */
const BATCHES_A_TURN = 500;
/** So many pages are given back in a turn: 1 MiB. Each may be a page that is moved. */
const PAGES_A_TURN = 256;
/** Free pages that stay in the file, 16 MiB: what is written until the next snapshot fills them again. */
const PAGES_SPARE = 4096;

/** With less than this free on the disk no snapshot is written. */
const SPACE_LEFT = 16 * 2 ** 20;

/** Two that open at the very same time can refuse each other; so each comes back, after a random while up to this. */
const ATTEMPTS = 5;
const PAUSE_MAX_MS = 40;

/** One process has it at a time, from `follow` to `close` or to its end. Nothing else may write to its file. */
export class SqliteJournal implements Journal {
  readonly description: string;
  readonly #folder: string | undefined;
  readonly #file: string;
  readonly #host: JournalHost;
  #db: DatabaseSync | undefined;
  /** While it follows or leads. */
  #contents: Contents | undefined;
  /** While it leads. */
  #tables: Tables | undefined;
  /** Of this leader; 0 before it leads. */
  #epoch = 0;
  #appendedBytes = 0;
  /** Why nothing more is written. */
  #failed: JournalError | undefined;

  /** `folder` is made if it is missing and then holds `slotkeeper.db`; the folder of a `file` must be there. */
  constructor(place: { readonly folder: string } | { readonly file: string }, host: JournalHost) {
    this.#host = host;
    const isFolder = 'folder' in place;
    this.#folder = isFolder ? place.folder : undefined;
    this.#file = isFolder ? join(place.folder, 'slotkeeper.db') : place.file;
    this.description = `sqlite ${isFolder ? place.folder : place.file}`;
  }

  /** Takes the file, so that no other process can. */
  async follow(): Promise<Followed> {
    if (this.#contents) throw new Error('a journal is followed once');
    try {
      if (this.#folder !== undefined) makeFolder(this.#folder);
      this.#db = await takeWhenFree(this.#file);
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
      const tables = transaction(db, () => {
        const present = contents instanceof Tables ? contents : migrateFromFormat3(db);
        const head = present.head();
        present.setHead({ ...head, epoch: head.epoch + 1 });
        return present;
      });
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
    this.#write('append to', (tables) => {
      const head = tables.head();
      if (epoch !== head.epoch || after !== head.position) throw notCurrent(this.description, head, at);
      tables.insertBatch(row);
      tables.setHead({ ...head, position: last });
    });
    this.#appendedBytes += Buffer.byteLength(row.facts);
  }

  /** No other process can have led it: SQLite's lock on the file is this one's. */
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
        this.#leaveSpace();
        this.#writeSnapshot((tables) => tables.insertPart(row, isLast));
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

  async retain(kept: Retained): Promise<boolean> {
    const spare = Math.min(PAGES_SPARE, Math.floor(kept.bytesMax / 8 / PAGE_BYTES));
    const removed = this.#write('write to', (tables) => tables.removeBatches(kept, BATCHES_A_TURN));
    await this.#turn();
    if (removed > 0) return true;
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

  /** Reads as it is asked for the next fact. */
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
      const told = failure(doing, this.#file, error);
      // Whether the disk has it is open, and what follows must not build on it. (A full disk has not.)
      if (!isDiskFull(error)) this.#failed = told;
      throw told;
    }
  }

  /** Whether the disk has it may be open afterwards: it has the part or not, and neither changes anything for appends. */
  #writeSnapshot<T>(body: (tables: Tables) => T): T {
    const tables = this.#led();
    if (this.#failed) throw this.#failed;
    try {
      return transaction(this.#db as DatabaseSync, () => body(tables));
    } catch (error) {
      throw failure('write to', this.#file, error);
    }
  }

  /** The file is cut as its log is moved into it, which SQLite does by itself only after many more writes. */
  #cutFile(): void {
    try {
      this.#db?.exec('PRAGMA wal_checkpoint');
    } catch (error) {
      throw failure('write to', this.#file, error);
    }
  }

  /** What appends need is not theirs to take: a full disk would end grants, a snapshot can wait. */
  #leaveSpace(): void {
    const { bavail, bsize } = statfsSync(dirname(resolve(this.#file)));
    if (bavail * bsize < SPACE_LEFT) throw nearlyFull(this.#file, SPACE_LEFT);
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

async function takeWhenFree(file: string): Promise<DatabaseSync> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return takeFile(file);
    } catch (error) {
      if (!isBusy(error) || attempt === ATTEMPTS) throw error;
      await setTimeout(Math.random() * PAUSE_MAX_MS);
    }
  }
}
