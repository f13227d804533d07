/**
 * Forty workers and a database that takes ten connections. Start a server (`npm start`), then `node examples/forty-workers.ts`,
 * in as many terminals as you like: all of them together stay within the ten.
 */
import { connect } from 'slotkeeper';

await using keeper = await connect();
await keeper.limits.ensure('postgres', { slots: 10, description: 'connections of the database' });

let atOnce = 0;
let peak = 0;

async function query(worker: number, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  atOnce += 1;
  peak = Math.max(peak, atOnce);
  await new Promise((resolve) => setTimeout(resolve, 20)); // a real program hands `signal` to its database driver
  atOnce -= 1;
  return worker;
}

const workers = Array.from({ length: 40 }, (_, worker) =>
  keeper.concurrency('postgres', { label: `worker ${worker}` }, (lease) => query(worker, lease.signal)),
);
const answers = await Promise.all(workers);

console.log(`${answers.length} answers, at most ${peak} queries at once in this process`);
