import type { Contender } from './contender.ts';
import { redisEvalsha } from './redis.ts';
import { slotkeeper } from './slotkeeper.ts';
import { wsEcho } from './ws-echo.ts';

/** In the order in which they take turns. */
export const contenders: readonly Contender[] = [wsEcho, slotkeeper, redisEvalsha('memory'), redisEvalsha('always')];

export function contenderNamed(name: string): Contender {
  const found = contenders.find((contender) => contender.name === name);
  if (!found) {
    throw new Error(`There is no contender ${name}; there are ${contenders.map((each) => each.name).join(', ')}.`);
  }
  return found;
}
