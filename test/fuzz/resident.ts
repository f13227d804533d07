/** How much memory a process takes. It is read while the process works, to distinguish growth without bound from a plateau. */
import { readFileSync } from 'node:fs';

const MIB = 1_048_576;

/** Resident memory in MiB; undefined where the system does not show it. */
export function residentMib(pid: number): number | undefined {
  try {
    const pages = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    return (pages * 1024) / MIB;
  } catch {
    return undefined;
  }
}

/** Samples taken over a run. */
export class Resident {
  readonly #pid: number;
  readonly #samples: number[] = [];

  constructor(pid: number) {
    this.#pid = pid;
  }

  sample(): void {
    const mib = residentMib(this.#pid);
    if (mib !== undefined) this.#samples.push(mib);
  }

  get maxMib(): number {
    return Math.max(0, ...this.#samples);
  }

  /** By how much the last quarter lies above the second: a heap that has found its size does not grow on. */
  get growthMib(): number {
    const quarter = Math.floor(this.#samples.length / 4);
    if (quarter === 0) return 0;
    const mean = (samples: readonly number[]): number => samples.reduce((sum, mib) => sum + mib, 0) / samples.length;
    return mean(this.#samples.slice(-quarter)) - mean(this.#samples.slice(quarter, 2 * quarter));
  }
}
