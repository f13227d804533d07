import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** In the checkout, since a system's folder for temporary files may be memory, where nothing is durable. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

/** A folder for this run, open to everybody; it is removed as the process ends. */
export function dataFolder(): string {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'slotkeeper-bench-'));
  chmodSync(folder, 0o755);
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
