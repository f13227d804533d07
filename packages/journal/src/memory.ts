/** A journal that lasts as long as its process: for the embedded client, tests and simulation. */
import type { Fact } from '@slotkeeper/engine';
import { type Journal, JournalError, notCurrent, notOpen, type Opened, type StoredFact } from './journal.ts';

/** What a disk is to other journals: it outlives its writers. */
export class MemoryStore {
  epoch = 0;
  /** Facts up to this position were removed; `facts` are those that follow. */
  removed = 0;
  facts: Fact[] = [];
  snapshot: { readonly position: number; readonly state: string } | undefined;

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

/** A writer on a store. A later one displaces it, as a new leader does: from then on it gets `NOT_CURRENT`. */
export class MemoryJournal implements Journal {
  readonly description = 'memory';
  readonly #store: MemoryStore;
  #epoch: number | undefined;

  constructor(store = new MemoryStore()) {
    this.#store = store;
  }

  async open(): Promise<Opened> {
    const store = this.#store;
    store.epoch += 1;
    this.#epoch = store.epoch;
    const { epoch, snapshot, position } = store;
    return { epoch, snapshot, facts: store.after(snapshot?.position ?? 0, position) };
  }

  async append(facts: readonly Fact[], { epoch, after }: { epoch: number; after: number }): Promise<void> {
    const store = this.#current();
    if (facts.length === 0) throw new RangeError('an append of no facts');
    if (epoch !== store.epoch || after !== store.position) throw notCurrent(this.description, store, { epoch, after });
    for (const fact of facts) store.facts.push(fact);
  }

  async saveSnapshot(position: number, state: string): Promise<void> {
    const store = this.#current();
    if (position > store.position) throw notCurrent(this.description, store, { epoch: store.epoch, after: position });
    if (position > (store.snapshot?.position ?? -1)) store.snapshot = { position, state };
  }

  async read(after: number, limit: number): Promise<readonly StoredFact[]> {
    const store = this.#opened();
    return [...store.after(after, Math.min(store.position, after + limit))];
  }

  async retain(beforeMs: number): Promise<void> {
    const store = this.#current();
    const covered = (store.snapshot?.position ?? 0) - store.removed;
    const last = store.facts[covered - 1];
    if (!last) return;
    // Facts are in the order of their times.
    const gone = last.at < beforeMs ? covered : store.facts.findIndex((fact) => fact.at >= beforeMs);
    store.facts.splice(0, gone);
    store.removed += gone;
  }

  async close(): Promise<void> {
    this.#epoch = undefined;
  }

  #opened(): MemoryStore {
    if (this.#epoch === undefined) throw notOpen(this.description);
    return this.#store;
  }

  #current(): MemoryStore {
    const store = this.#opened();
    if (this.#epoch !== store.epoch)
      throw new JournalError('NOT_CURRENT', `The journal in memory has a later writer, of epoch ${store.epoch}.`);
    return store;
  }
}
