import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, platform } from 'node:os';
import { join } from 'node:path';
import { redisVersion } from './redis.ts';
import { median } from './statistics.ts';

const CLOCK_TICK_MS = 10;

/** What the figures depend on besides the code. */
export interface Machine {
  readonly cores: string;
  readonly node: string;
  readonly redis: string | null;
  /** Median of making 4 KiB durable at the end of a file. */
  readonly fsyncMs: number;
  /** Of the minute before: more than a few tenths is other work that takes from all contenders. */
  readonly loadAverage: number;
}

export function describeMachine(folder: string): Machine {
  return {
    cores: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    node: process.version,
    redis: redisVersion() ?? null,
    fsyncMs: fsyncMs(folder),
    loadAverage: loadavg()[0]!,
  };
}

function fsyncMs(folder: string): number {
  const path = join(folder, 'fsync');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  const times = Array.from({ length: 100 }, () => {
    const startMs = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return performance.now() - startMs;
  });
  closeSync(file);
  rmSync(path);
  return median(times);
}

/** CPU time that a process has used so far, all its threads; null where the system does not say (only Linux does). */
export function cpuMs(pid: number): number | null {
  if (platform() !== 'linux') return null;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}
