/** A journal on a disk that is slow, that fails, and under which the server dies between any two steps. */
import type { Fact } from '@slotkeeper/engine';
import {
  type Journal,
  JournalError,
  MemoryJournal,
  MemoryStore,
  type Opened,
  type StoredFact,
} from '@slotkeeper/journal';
import type { SimulatedProcess } from './host.ts';

export type Step = 'opened' | 'before the write' | 'after the write' | 'before the snapshot' | 'after the snapshot';

/** The disk, and what will go wrong with it. It outlives the servers. */
export class Disk {
  readonly store = new MemoryStore();
  /** How long an append takes, now. */
  appendMs: () => number = () => 0;
  /** What the next append comes to, besides. */
  nextAppend: 'fails before the write' | 'fails after the write' | null = null;
  /** The server dies at the next of these steps. */
  crashAt: Step | null = null;
  readonly #written: (after: number, facts: readonly Fact[]) => void;
  readonly #crash: () => void;

  constructor(written: (after: number, facts: readonly Fact[]) => void, crash: () => void) {
    this.#written = written;
    this.#crash = crash;
  }

  journal(process: SimulatedProcess): Journal {
    return new FaultyJournal(this, process);
  }

  wrote(after: number, facts: readonly Fact[]): void {
    this.#written(after, facts);
  }

  /** Where the server dies it goes no further. */
  async reach(step: Step): Promise<void> {
    if (this.crashAt !== step) return;
    this.crashAt = null;
    this.#crash();
    await new Promise(() => {});
  }
}

class FaultyJournal implements Journal {
  readonly description = 'simulated';
  readonly #disk: Disk;
  readonly #process: SimulatedProcess;
  readonly #memory: MemoryJournal;

  constructor(disk: Disk, process: SimulatedProcess) {
    this.#disk = disk;
    this.#process = process;
    this.#memory = new MemoryJournal(disk.store);
  }

  async open(): Promise<Opened> {
    const opened = await this.#memory.open();
    await this.#disk.reach('opened');
    return opened;
  }

  async append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void> {
    const outcome = this.#disk.nextAppend;
    this.#disk.nextAppend = null;
    await this.#takes(this.#disk.appendMs() / 2);
    await this.#disk.reach('before the write');
    if (outcome === 'fails before the write') throw new JournalError('IO', 'The disk failed before the write.');
    await this.#memory.append(facts, at);
    this.#disk.wrote(at.after, facts);
    await this.#disk.reach('after the write');
    await this.#takes(this.#disk.appendMs() / 2);
    if (outcome === 'fails after the write') throw new JournalError('IO', 'The disk failed after the write.');
  }

  async saveSnapshot(position: number, state: string): Promise<void> {
    await this.#disk.reach('before the snapshot');
    await this.#memory.saveSnapshot(position, state);
    await this.#disk.reach('after the snapshot');
  }

  read(after: number, limit: number): Promise<readonly StoredFact[]> {
    return this.#memory.read(after, limit);
  }

  /** As if years had passed: what a snapshot covers is gone. */
  retain(): Promise<void> {
    return this.#memory.retain(Number.POSITIVE_INFINITY);
  }

  close(): Promise<void> {
    return this.#memory.close();
  }

  #takes(ms: number): Promise<void> {
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => this.#process.setTimer(ms, resolve));
  }
}
