/** A journal in memory that takes its time, fails, and confirms nothing by itself, as its script says. */
import type { Fact } from '@slotkeeper/engine';
import { JournalError, type Led, MemoryJournal, MemoryStore } from '@slotkeeper/journal';
import type { VirtualTime } from '../../../test/virtual-time.ts';

/** Outlives the journals over one store, as a disk does. */
export class Script {
  readonly time: VirtualTime;
  readonly store: MemoryStore;
  /** An append takes so long. */
  appendMs = 0;
  /** A confirmation takes so long; null: it is certain at once. */
  confirmMs: number | null = null;
  /** To store a snapshot takes so long. */
  snapshotMs = 0;
  /** The store's own clock; null: it goes by the host's. */
  nowMs: number | null = null;
  /** Each fails the next time that it is asked, once. */
  readonly fails = new Set<'append before the write' | 'append after the write' | 'confirm'>();
  /** The positions of the snapshots that were stored. */
  readonly stored: number[] = [];
  confirmed = 0;

  constructor(time: VirtualTime, store = new MemoryStore()) {
    this.time = time;
    this.store = store;
  }

  readonly journal = (): ScriptedJournal => new ScriptedJournal(this);

  takes(ms: number): Promise<void> {
    return new Promise((resolve) => this.time.setTimer(ms, resolve));
  }
}

class ScriptedJournal extends MemoryJournal {
  readonly #script: Script;

  constructor(script: Script) {
    super(script.store, script.time);
    this.#script = script;
  }

  override async lead(): Promise<Led> {
    const led = await super.lead();
    return { ...led, nowMs: this.#script.nowMs ?? led.nowMs };
  }

  override async append(facts: readonly Fact[], at: { epoch: number; after: number }): Promise<void> {
    const { appendMs, fails } = this.#script;
    if (appendMs > 0) await this.#script.takes(appendMs);
    if (fails.delete('append before the write')) throw new JournalError('IO', 'The disk is full.');
    await super.append(facts, at);
    if (fails.delete('append after the write')) throw new JournalError('IO', 'The disk did not say whether it wrote.');
  }

  override confirm(at: { epoch: number }): Promise<void> | undefined {
    return this.#script.confirmMs === null ? super.confirm(at) : this.#confirm(at, this.#script.confirmMs);
  }

  async #confirm(at: { epoch: number }, ms: number): Promise<void> {
    this.#script.confirmed += 1;
    await this.#script.takes(ms);
    if (this.#script.fails.delete('confirm')) throw new JournalError('NOT_CURRENT', 'A later leader has begun.');
    await super.confirm(at);
  }

  override async saveSnapshot(position: number, parts: Iterable<string>): Promise<void> {
    if (this.#script.snapshotMs > 0) await this.#script.takes(this.#script.snapshotMs);
    await super.saveSnapshot(position, parts);
    this.#script.stored.push(position);
  }
}
