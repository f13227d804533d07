/**
 * A process that takes slots and gives them back as fast as it can, and tells its parent what was acknowledged, and when
 * it is about to let go. Messages: see `Report`. `sync` is answered, `stop` ends it once all is given back.
 */
import { connect, type Keeper } from 'slotkeeper';

export type Report =
  | { readonly type: 'ready' }
  | {
      readonly type: 'granted';
      readonly lease: string;
      readonly token: number;
      readonly limits: readonly { name: string; slots: number }[];
    }
  | { readonly type: 'releasing'; readonly lease: string }
  | { readonly type: 'released'; readonly lease: string }
  | { readonly type: 'lost'; readonly lease: string; readonly why: string }
  | { readonly type: 'synced'; readonly number: number }
  | { readonly type: 'stopped' };

const [url, limits, callers] = process.argv.slice(2) as [string, string, string];
const wishes = JSON.parse(limits) as Record<string, number>[];
let stopping = false;

function report(message: Report): void {
  process.send?.(message);
}

async function call(keeper: Keeper, caller: number): Promise<void> {
  for (let round = caller; !stopping; round += 1) {
    const lease = await keeper.acquire(wishes[round % wishes.length] as Record<string, number>, { onLost: 'continue' });
    report({ type: 'granted', lease: lease.id, token: lease.token, limits: [...lease.limits] });
    lease.signal.addEventListener('abort', () =>
      report({ type: 'lost', lease: lease.id, why: String(lease.signal.reason) }),
    );
    await new Promise((resolve) => setTimeout(resolve, (round * 7) % 20));
    report({ type: 'releasing', lease: lease.id });
    await lease.release();
    report({ type: 'released', lease: lease.id });
  }
}

const keeper = await connect(url, { ttlSeconds: 30 });
process.on('message', async (message: { type: 'sync'; number: number } | { type: 'stop' }) => {
  if (message.type === 'sync') report({ type: 'synced', number: message.number });
  else stopping = true;
});
report({ type: 'ready' });
await Promise.all(Array.from({ length: Number(callers) }, (_, caller) => call(keeper, caller)));
await keeper.close();
report({ type: 'stopped' });
process.disconnect();
