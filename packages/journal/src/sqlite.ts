/** The journal in one file, by SQLite, which runs in the event loop: a commit is one sync of the disk. */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import type { Fact } from '@slotkeeper/engine';
import { encodeFacts } from './codec.ts';
import {
  type Followed,
  type Journal,
  JournalError,
  type JournalHost,
  type Led,
  notCurrent,
  notLed,
  notOpen,
  type StoredFact,
} from './journal.ts';
import { leaveNote, removeNote } from './owner.ts';
import { damaged, failure, isBusy, isDiskFull } from './sqlite-failure.ts';
import { makeFolder, takeFile } from './sqlite-file.ts';
import { type Batch, Tables } from './sqlite-tables.ts';

/** Retention goes on in the next turn of the event loop after so many batches, so that grants need not wait for it. */
const BATCHES_A_TURN = 500;

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
  #tables: Tables | undefined;
  /** Of this leader; 0 before it leads. */
  #epoch = 0;
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
    if (this.#tables) throw new Error('a journal is followed once');
    try {
      if (this.#folder !== undefined) makeFolder(this.#folder);
      this.#db = await takeWhenFree(this.#file);
      this.#tables = new Tables(this.#db);
      const followed = this.#contents(this.#tables);
      leaveNote(this.#file);
      return followed;
    } catch (error) {
      const told = failure('open', this.#file, error);
      this.#letGo();
      throw told;
    }
  }

  async lead(): Promise<Led> {
    const tables = this.#open();
    if (this.#epoch > 0) throw new Error('a journal is led once');
    try {
      const { epoch, position } = tables.transaction(() => {
        const head = tables.head();
        const next = { ...head, epoch: head.epoch + 1 };
        tables.setHead(next);
        return next;
      });
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
    const encoded = encodeFacts(facts);
    this.#write('append to', (tables) => {
      const head = tables.head();
      if (epoch !== head.epoch || after !== head.position) throw notCurrent(this.description, head, at);
      tables.insertBatch({ first: after + 1, last, epoch, at: newest.at, facts: encoded });
      tables.setHead({ ...head, position: last });
    });
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
    this.#write('write to', (tables) => {
      const head = tables.head();
      if (position > head.position) throw notCurrent(this.description, head, { epoch: head.epoch, after: position });
      if (position > tables.snapshotPosition()) tables.insertSnapshot({ position, state: [...parts].join('') });
    });
  }

  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    const tables = this.#open();
    try {
      const head = tables.head();
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

  async retain(beforeMs: number): Promise<void> {
    const removeSome = (tables: Tables) => tables.removeBatches(beforeMs, tables.snapshotPosition(), BATCHES_A_TURN);
    while (this.#write('write to', removeSome) === BATCHES_A_TURN) await this.#turn();
  }

  async close(): Promise<void> {
    if (this.#tables) removeNote(this.#file);
    this.#letGo();
  }

  #contents(tables: Tables): Followed {
    const head = tables.head();
    const snapshot = tables.newestSnapshot();
    const start = snapshot?.position ?? 0;
    if (start < head.removed) throw damaged(this.#file, `the snapshot is missing that covers fact ${head.removed}`);
    if (start > head.position) throw damaged(this.#file, `its snapshot is of ${start}, its last fact ${head.position}`);
    return {
      snapshot: snapshot && { position: start, parts: [snapshot.state] },
      facts: this.#facts(start, head.position),
    };
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
    const tables = this.#open();
    try {
      return tables.batchWith(position);
    } catch (error) {
      throw failure('read', this.#file, error);
    }
  }

  #write<T>(doing: 'append to' | 'write to', body: (tables: Tables) => T): T {
    const tables = this.#led();
    if (this.#failed) throw this.#failed;
    try {
      return tables.transaction(() => body(tables));
    } catch (error) {
      if (error instanceof JournalError) throw error;
      const told = failure(doing, this.#file, error);
      // Whether the disk has it is open, and what follows must not build on it. (A full disk has not.)
      if (!isDiskFull(error)) this.#failed = told;
      throw told;
    }
  }

  #open(): Tables {
    if (!this.#tables) throw notOpen(this.description);
    return this.#tables;
  }

  #led(): Tables {
    const tables = this.#open();
    if (this.#epoch === 0) throw notLed(this.description);
    return tables;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#host.soon(resolve));
  }

  #letGo(): void {
    this.#db?.close();
    this.#db = undefined;
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
