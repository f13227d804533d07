/** A program that uses the seed's names and closes nothing. */
import { concurrency } from '../../../src/prefect/v1/index.ts';

const [, , tag = '', taskRunId = ''] = process.argv;
await concurrency(tag, taskRunId, {}, () => undefined);
