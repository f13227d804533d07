/** A journal that lasts as long as its process: for the embedded client, tests and simulation. */
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
  type Retained,
  type StoredFact,
} from './journal.ts';

/** The approximate size of a fact as text. To measure each would cost more than to keep it. */
const FACT_BYTES = 160;

/** The store outlives the journals that write to it, as a disk does. */
export class MemoryStore {
  epoch = 0;
  /** Facts up to this position were removed; `facts` are those that follow. */
  removed = 0;
  facts: Fact[] = [];
  snapshot: { readonly position: number; readonly parts: readonly string[] } | undefined;

  /** The position of the last fact. */
  get position(): number {
    return this.removed + this.facts.length;
  }

  *after(after: number, upTo: number): Generator<StoredFact> {
    for (let position = after + 1; position <= upTo; position += 1) {
      const fact = this.facts[position - this.removed - 1];
      if (!fact) throw new JournalError('HISTORY_GONE', `Fact ${position} was removed by retention.`);
      yield { position, fact };
    }
  }
}

/** One reader or writer of a store. A later leader displaces an earlier one: from then on that one gets `NOT_CURRENT`. */
export class MemoryJournal implements Journal {
  readonly description = 'memory';
  readonly #store: MemoryStore;
  readonly #host: JournalHost;
  #state: 'new' | 'following' | 'leading' | 'closed' = 'new';
  /** The epoch of this leader; 0 before it leads. */
  #epoch = 0;
  #appended = 0;

  constructor(store: MemoryStore, host: JournalHost) {
    this.#store = store;
    this.#host = host;
  }

  async follow(): Promise<Followed> {
    if (this.#state !== 'new') throw new Error('a journal is followed once');
    this.#state = 'following';
    const { snapshot, position } = this.#store;
    return { snapshot, facts: this.#store.after(snapshot?.position ?? 0, position) };
  }

  async lead(): Promise<Led> {
    const store = this.#opened();
    if (this.#state === 'leading') throw new Error('a journal is led once');
    this.#state = 'leading';
    store.epoch += 1;
    this.#epoch = store.epoch;
    return { epoch: store.epoch, position: store.position, nowMs: this.#host.wallMs() };
  }

  async append(facts: readonly Fact[], { epoch, after }: { epoch: number; after: number }): Promise<void> {
    const store = this.#current();
    if (facts.length === 0) throw new RangeError('an append of no facts');
    if (epoch !== store.epoch || after !== store.position) throw notCurrent(this.description, store, { epoch, after });
    for (const fact of facts) store.facts.push(fact);
    this.#appended += facts.length;
  }

  confirm({ epoch }: { epoch: number }): Promise<void> | undefined {
    try {
      const store = this.#current();
      if (epoch === store.epoch) return undefined;
      throw notCurrent(this.description, store, { epoch, after: store.position });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async saveSnapshot(position: number, parts: Iterable<string>): Promise<void> {
    const store = this.#current();
    if (position > store.position) throw notCurrent(this.description, store, { epoch: store.epoch, after: position });
    if (position <= (store.snapshot?.position ?? 0)) return;
    const kept: string[] = [];
    for (const part of parts) {
      if (kept.length > 0) {
        await new Promise<void>((resolve) => this.#host.soon(resolve));
        this.#current();
      }
      kept.push(part);
    }
    store.snapshot = { position, parts: kept };
  }

  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    const store = this.#opened();
    return [...store.after(after, Math.min(store.position, after + limit))];
  }

  get appendedBytes(): number {
    return this.#appended * FACT_BYTES;
  }

  async retain({ sinceMs, bytesMax }: Retained): Promise<boolean> {
    const store = this.#current();
    // From the newest to the first that is too old or too much: all before that one go with it.
    let keep = 0;
    let bytes = 0;
    for (let fact = store.facts.at(-1); fact && fact.at >= sinceMs; fact = store.facts.at(-1 - keep)) {
      bytes += encodeFacts([fact]).length;
      if (bytes > bytesMax) break;
      keep += 1;
    }
    const covered = Math.max(0, (store.snapshot?.position ?? 0) - store.removed);
    const gone = Math.min(covered, store.facts.length - keep);
    store.facts.splice(0, gone);
    store.removed += gone;
    return false;
  }

  space(): undefined {}

  async close(): Promise<void> {
    this.#state = 'closed';
  }

  #opened(): MemoryStore {
    if (this.#state === 'new' || this.#state === 'closed') throw notOpen(this.description);
    return this.#store;
  }

  #current(): MemoryStore {
    const store = this.#opened();
    if (this.#state !== 'leading') throw notLed(this.description);
    if (this.#epoch !== store.epoch)
      throw new JournalError('NOT_CURRENT', `The journal in memory has a later writer, of epoch ${store.epoch}.`);
    return store;
  }
}
