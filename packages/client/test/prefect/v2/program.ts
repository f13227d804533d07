/** A program that uses Prefect's names and closes nothing; its body waits for what does not keep a process alive. */
import { setTimeout as delay } from 'node:timers/promises';
import { concurrency, rateLimit } from '../../../src/prefect/v2/index.ts';

const [, , limit = ''] = process.argv;
await concurrency(limit, {}, () => delay(50, undefined, { ref: false }));
await rateLimit(limit);
