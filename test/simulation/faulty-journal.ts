/** A journal on a disk that is slow, that fails, and under which the server dies between any two steps. */
import type { Fact } from '@slotkeeper/engine';
import {
  type Followed,
  type Journal,
  JournalError,
  type Led,
  MemoryJournal,
  MemoryStore,
  type StoredFact,
} from '@slotkeeper/journal';
import type { SimulatedProcess } from './host.ts';

export type Step = 'opened' | 'before the write' | 'after the write' | 'before the snapshot' | 'after the snapshot';

/** A faster append is durable as its time is over; another one in the middle of it. */
const FAST_MS = 0.5;

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

  /** Whether the server dies here: it is to go no further. */
  diesAt(step: Step): boolean {
    if (this.crashAt !== step) return false;
    this.crashAt = null;
    this.#crash();
    return true;
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
    this.#memory = new MemoryJournal(disk.store, process);
  }

  follow(): Promise<Followed> {
    return this.#memory.follow();
  }

  async lead(): Promise<Led> {
    const led = await this.#memory.lead();
    if (this.#disk.diesAt('opened')) await forEver();
    return led;
  }

  async append(facts: readonly Fact[], at: { readonly epoch: number; readonly after: number }): Promise<void> {
    const disk = this.#disk;
    const outcome = disk.nextAppend;
    disk.nextAppend = null;
    const appendMs = disk.appendMs();
    const afterMs = appendMs < FAST_MS ? 0 : appendMs / 2;
    if (appendMs > 0) await this.#takes(appendMs - afterMs);
    if (disk.diesAt('before the write')) await forEver();
    if (outcome === 'fails before the write') throw new JournalError('IO', 'The disk failed before the write.');
    await this.#memory.append(facts, at);
    disk.wrote(at.after, facts);
    if (disk.diesAt('after the write')) await forEver();
    if (afterMs > 0) await this.#takes(afterMs);
    if (outcome === 'fails after the write') throw new JournalError('IO', 'The disk failed after the write.');
  }

  confirm(at: { readonly epoch: number }): Promise<void> | undefined {
    return this.#memory.confirm(at);
  }

  async saveSnapshot(position: number, parts: Iterable<string>): Promise<void> {
    if (this.#disk.diesAt('before the snapshot')) await forEver();
    await this.#memory.saveSnapshot(position, parts);
    if (this.#disk.diesAt('after the snapshot')) await forEver();
  }

  read(after: number, limit: number): Promise<readonly StoredFact[]> {
    return this.#memory.read(after, limit);
  }

  /** As if years had passed: what a snapshot covers is gone. */
  retain(): Promise<boolean> {
    return this.#memory.retain({ sinceMs: Number.POSITIVE_INFINITY, bytesMax: 0 });
  }

  get appendedBytes(): number {
    return this.#memory.appendedBytes;
  }

  space(): undefined {}

  close(): Promise<void> {
    return this.#memory.close();
  }

  #takes(ms: number): Promise<void> {
    return new Promise((resolve) => this.#process.setTimer(ms, resolve));
  }
}

function forEver(): Promise<never> {
  return new Promise(() => {});
}
