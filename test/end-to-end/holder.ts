/**
 * A process that acquires a slot, reports, and does as its parent says: `hold` (acquire and keep), `state`, `release`,
 * `job` (hold for 50 ms), `last` (hold once more, and end right after). Its wall clock may be wrong: WALL_OFFSET_MS.
 */
const offsetMs = Number(process.env.WALL_OFFSET_MS ?? 0);
const rightNow = Date.now;
Date.now = () => rightNow() + offsetMs;

const { connect } = await import('slotkeeper');

export type Order = { readonly type: 'hold' | 'state' | 'release' | 'job' | 'last' };
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'held'; readonly token: number }
  | { readonly type: 'state'; readonly aborted: boolean; readonly code: string | null; readonly valid: boolean }
  | { readonly type: 'released' }
  | { readonly type: 'job'; readonly startedMs: number; readonly endedMs: number };

const [url, limit] = process.argv.slice(2) as [string, string];
const keeper = await connect(url, { ttlSeconds: 2, label: `holder ${process.pid}` });
let lease: Awaited<ReturnType<typeof keeper.acquire>> | undefined;

/** One clock for all processes of the machine. */
const nowMs = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

function report(message: Report): void {
  process.send?.(message);
}

async function obey({ type }: Order): Promise<void> {
  if (type === 'hold') {
    lease = await keeper.acquire(limit);
    report({ type: 'held', token: lease.token });
  } else if (type === 'state' && lease) {
    const { aborted, reason } = lease.signal;
    report({ type: 'state', aborted, code: aborted ? reason.code : null, valid: await lease.check() });
  } else if (type === 'release') {
    await lease?.release();
    report({ type: 'released' });
  } else if (type === 'job') {
    await keeper.concurrency(limit, async () => {
      const startedMs = nowMs();
      await new Promise((resolve) => setTimeout(resolve, 50));
      report({ type: 'job', startedMs, endedMs: nowMs() });
    });
  } else if (type === 'last') {
    await keeper.concurrency(limit, () => {});
    process.exit();
  }
}

process.on('message', (order: Order) => void obey(order));
report({ type: 'ready' });
