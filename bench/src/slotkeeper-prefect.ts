import type { Contender } from './contender.ts';
import { prefectCallers } from './prefect-api.ts';
import { slotkeeperServer } from './slotkeeper.ts';

/** Ours, asked as a Prefect server is. */
export function slotkeeperPrefect(api: 'v1' | 'v2'): Contender {
  return {
    name: `slotkeeper-${api}`,
    durable: 'yes',
    server: slotkeeperServer,
    prefectApi: api,
    separate: (url, count) => prefectCallers(api, `${url}/api`, count),
  };
}
