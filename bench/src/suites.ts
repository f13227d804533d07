import type { Contender } from './contender.ts';
import { fastifyPost } from './fastify-post.ts';
import { rateTries } from './rate-tries.ts';
import { redisEvalsha } from './redis.ts';
import { slotkeeper } from './slotkeeper.ts';
import { slotkeeperPrefect } from './slotkeeper-prefect.ts';
import { stockPrefect } from './stock-prefect.ts';
import type { Suite } from './suite.ts';
import { twentyJobs } from './twenty-jobs.ts';
import { wsEcho } from './ws-echo.ts';

const sessions: Suite = {
  pair: 'Acquire + release',
  caller: 'caller',
  callers: [1, 64, 1024],
  contenders: [wsEcho, slotkeeper, redisEvalsha('memory'), redisEvalsha('always')],
  beside: [],
  cases: [],
};

const prefect: Suite = {
  pair: 'Prefect’s API: increment + decrement',
  caller: 'client',
  callers: [1, 16],
  contenders: [
    fastifyPost,
    slotkeeperPrefect('v1'),
    slotkeeperPrefect('v2'),
    ...stockPrefect('sqlite'),
    ...stockPrefect('postgres'),
  ],
  beside: (['v1', 'v2'] as const).flatMap((api) => [
    [`slotkeeper-${api}`, `prefect-sqlite-${api}`] as const,
    [`slotkeeper-${api}`, `prefect-postgres-${api}`] as const,
  ]),
  cases: [twentyJobs('bare'), twentyJobs('flow'), rateTries],
};

export const suites: readonly Suite[] = [sessions, prefect];

export function contenderNamed(name: string): Contender {
  const all = suites.flatMap(({ contenders }) => contenders);
  const found = all.find((contender) => contender.name === name);
  if (!found) throw new Error(`There is no contender ${name}; there are ${all.map((each) => each.name).join(', ')}.`);
  return found;
}
