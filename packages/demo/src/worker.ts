/**
 * One of the demo's workers, a process of its own: takes a slot, works for a moment, gives it back, and again.
 * It reports the work itself, from inside the body, so that "never more than three" is said by those who did it.
 */
import { setTimeout as work } from 'node:timers/promises';
import { connect } from 'slotkeeper';
import { machineMs, type Order, type Report } from './reports.ts';

const [url, limit, ttlSeconds, label] = process.argv.slice(2) as [string, string, string, string];
let isFinishing = false;
let isHanging = false;

process.on('message', (order: Order) => {
  if (order === 'finish') isFinishing = true;
  if (order === 'hang') isHanging = true;
});
process.once('disconnect', () => process.exit(1));

function report(message: Report): void {
  process.send?.(message);
}

async function jobs(): Promise<void> {
  const keeper = await connect(url, { ttlSeconds: Number(ttlSeconds), label });
  while (!isFinishing) {
    report({ type: 'waits', atMs: machineMs() });
    await keeper.concurrency(limit, { onLost: 'continue' }, async () => {
      report({ type: 'holds', atMs: machineMs() });
      await work(100 + Math.random() * 300);
      if (isHanging) await untilKilled();
      report({ type: 'rests', atMs: machineMs() });
    });
  }
  await keeper.close();
}

function untilKilled(): Promise<never> {
  report({ type: 'hangs' });
  return new Promise(() => {});
}

try {
  await jobs();
} catch (error) {
  process.exitCode = 1;
  report({ type: 'failed', atMs: machineMs(), message: error instanceof Error ? error.message : String(error) });
}
process.removeAllListeners('disconnect');
process.disconnect();
