import { fileURLToPath } from 'node:url';
import { whyNoPython } from '../../test/prefect/venv.ts';
import type { Contender, ContenderServer } from './contender.ts';
import { whyNoPostgres } from './postgres.ts';
import { prefectCallers } from './prefect-api.ts';
import { ServerProcess } from './server-process.ts';

export type Database = 'sqlite' | 'postgres';

/** Its first start makes a virtual environment, if the tests have not, and each start all of its tables. */
const READY_MAX_MS = 180_000;

/** An unmodified Prefect server with its default settings, over either of its databases. */
export function stockPrefect(database: Database): readonly Contender[] {
  const server: ContenderServer = {
    name: `prefect-${database}`,
    slow: true,
    missing: () => whyNoPython() ?? (database === 'postgres' ? whyNoPostgres() : undefined),
    serve: (folder) =>
      ServerProcess.start(
        process.execPath,
        [fileURLToPath(new URL('./stock-prefect-server.ts', import.meta.url)), database, folder],
        /ready on (\S+)/,
        { readyMaxMs: READY_MAX_MS },
      ),
  };
  return (['v1', 'v2'] as const).map((api) => ({
    name: `prefect-${database}-${api}`,
    durable: 'the count',
    server,
    prefectApi: api,
    separate: (url, count) => prefectCallers(api, `${url}/api`, count),
  }));
}
