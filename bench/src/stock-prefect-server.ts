/** A stock Prefect server with all that it needs, as one process to start and to stop: `DATABASE FOLDER`. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PrefectServer } from '../../test/prefect/prefect-server.ts';
import { Postgres } from './postgres.ts';

const [database, folder] = process.argv.slice(2) as [string, string];
// Its data goes where all others have theirs.
process.env.TMPDIR = folder;

const postgres = database === 'postgres' ? await startPostgres() : undefined;
const settings = postgres && { PREFECT_SERVER_DATABASE_CONNECTION_URL: `postgresql+asyncpg://${postgres.address}` };
const prefect = await PrefectServer.start(settings);
process.once('SIGTERM', async () => {
  await prefect.stop();
  await postgres?.stop();
  process.exit();
});
console.log(`ready on ${new URL(prefect.url).origin}`);

async function startPostgres(): Promise<Postgres> {
  const data = join(folder, 'postgres');
  mkdirSync(data);
  return Postgres.start(data);
}
