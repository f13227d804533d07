/**
 * A program in TypeScript that shares global limits with a Prefect shop's programs in Python, on Slotkeeper or on a stock server:
 * `PREFECT_API_URL=http://127.0.0.1:4230/api node examples/prefect-v2.ts`. The limits are made once, as ever:
 * `prefect gcl create database --limit 2` and `prefect gcl create api --limit 10 --slot-decay-per-second 5`.
 */
import { close, concurrency, rateLimit } from 'slotkeeper/prefect';

let atOnce = 0;
let peak = 0;

async function load(report: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted(); // the slot is lost: a strict call is to end
  atOnce += 1;
  peak = Math.max(peak, atOnce);
  await rateLimit('api', { strict: true });
  atOnce -= 1;
  return report;
}

const reports = ['north', 'south', 'east', 'west'].map((report) =>
  concurrency('database', { timeoutSeconds: 60, strict: true }, ({ signal }) => load(report, signal)),
);
console.log(`${(await Promise.all(reports)).join(', ')}; at most ${peak} at once in this process`);

await close();
