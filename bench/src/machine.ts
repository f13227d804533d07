import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
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

/** CPU time that a process and all that it has started have used so far; null where the system does not say (only Linux does). */
export function cpuMs(pid: number): number | null {
  if (platform() !== 'linux') return null;
  const processes = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (processOf(name) ?? []) : []));
  const usedBy = (root: number): number =>
    processes.reduce(
      (sum, each) => sum + (each.pid === root ? each.usedMs : each.parent === root ? usedBy(each.pid) : 0),
      0,
    );
  return usedBy(pid);
}

function processOf(name: string): { pid: number; parent: number; usedMs: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Its own, and that of its children that have ended.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return { pid: Number(name), parent: Number(fields[1]), usedMs: ticks * CLOCK_TICK_MS };
  } catch {
    return undefined; // It ended meanwhile.
  }
}
