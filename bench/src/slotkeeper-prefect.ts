import type { Contender, ContenderServer } from './contender.ts';
import { prefectCallers } from './prefect-api.ts';
import type { Version } from './version.ts';

/** Ours, asked as a Prefect server is. */
export function slotkeeperPrefect(api: 'v1' | 'v2', version: Version, server: ContenderServer): Contender {
  return {
    name: `${version.name}-${api}`,
    durable: 'yes',
    server,
    version,
    prefectApi: api,
    separate: (url, count) => prefectCallers(api, `${url}/api`, count),
  };
}
