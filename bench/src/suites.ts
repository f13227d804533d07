import type { Contender } from './contender.ts';
import { fastifyPost } from './fastify-post.ts';
import { rateTries } from './rate-tries.ts';
import { redisEvalsha } from './redis.ts';
import { contendersOf } from './slotkeeper.ts';
import { stockPrefect } from './stock-prefect.ts';
import type { Suite } from './suite.ts';
import { twentyJobs } from './twenty-jobs.ts';
import { THIS_VERSION, type Version } from './version.ts';
import { wsEcho } from './ws-echo.ts';

const ours = contendersOf(THIS_VERSION);

const sessions: Suite = {
  pair: 'Acquire + release',
  caller: 'caller',
  callers: [1, 64, 1024],
  contenders: [wsEcho, ours.session, redisEvalsha('memory'), redisEvalsha('always')],
  beside: [],
  cases: [],
};

const prefect: Suite = {
  pair: 'Prefect’s API: increment + decrement',
  caller: 'client',
  callers: [1, 16],
  contenders: [fastifyPost, ...ours.prefect, ...stockPrefect('sqlite'), ...stockPrefect('postgres')],
  beside: (['v1', 'v2'] as const).flatMap((api) => [
    [`slotkeeper-${api}`, `prefect-sqlite-${api}`] as const,
    [`slotkeeper-${api}`, `prefect-postgres-${api}`] as const,
  ]),
  cases: [twentyJobs('bare'), twentyJobs('flow'), rateTries],
};

export const suites: readonly Suite[] = [sessions, prefect];

export function contenderNamed(name: string): Contender {
  return find(
    suites.flatMap(({ contenders }) => contenders),
    name,
  );
}

/** One of ours, of any checkout. */
export function ofVersion(version: Version, name: string): Contender {
  const { session, prefect } = contendersOf(version);
  return find([session, ...prefect], name);
}

function find(contenders: readonly Contender[], name: string): Contender {
  const found = contenders.find((contender) => contender.name === name);
  const names = contenders.map((contender) => contender.name).join(', ');
  if (!found) throw new Error(`There is no contender ${name}; there are ${names}.`);
  return found;
}
