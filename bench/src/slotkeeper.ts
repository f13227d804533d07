import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Keeper } from 'slotkeeper';
import type { Contender, ContenderServer, Rival } from './contender.ts';
import { ServerProcess } from './server-process.ts';
import { slotkeeperPrefect } from './slotkeeper-prefect.ts';
import type { Version } from './version.ts';

const BATON = 'bench-baton';

/** One server, asked over the session protocol and over both of Prefect's APIs. */
export function contendersOf(version: Version): {
  readonly session: Contender;
  readonly prefect: readonly Contender[];
} {
  const server = serverOf(version);
  return {
    session: sessionContender(version, server),
    prefect: [slotkeeperPrefect('v1', version, server), slotkeeperPrefect('v2', version, server)],
  };
}

function serverOf({ name, checkout }: Version): ContenderServer {
  const main = join(checkout, 'packages/server/dist/main.js');
  return {
    name,
    missing: () => (existsSync(main) ? undefined : `it is not built; run npm run build in ${checkout}`),
    serve: (folder) =>
      ServerProcess.start(process.execPath, [main, 'serve', '--port', '0', '--data', folder], / ready on (\S+) /),
  };
}

function sessionContender(version: Version, server: ContenderServer): Contender {
  const open = (url: string) => connect(version, url);
  return {
    name: version.name,
    durable: 'yes',
    server,
    version,
    async separate(url, count) {
      const keeper = await open(url);
      const names = Array.from({ length: count }, (_, i) => `bench-${i}`);
      await Promise.all(names.map((name) => keeper.limits.ensure(name, { slots: 1 })));
      return {
        callers: names.map((name) => ({ acquire: () => keeper.acquire(name) })),
        close: () => keeper.close(),
      };
    },
    async rivals(url) {
      const keepers = [await open(url), await open(url)];
      await keepers[0]!.limits.ensure(BATON, { slots: 1 });
      return {
        callers: keepers.map(rival),
        close: () => Promise.all(keepers.map((keeper) => keeper.close())),
      };
    },
  };
}

/** Its own client, loaded here, so that the others' load processes do not carry it. */
async function connect({ checkout }: Version, url: string): Promise<Keeper> {
  const client = pathToFileURL(join(checkout, 'packages/client/dist/index.js')).href;
  const { connect } = (await import(client)) as typeof import('slotkeeper');
  return connect(url);
}

function rival(keeper: Keeper): Rival {
  return {
    acquire: () => keeper.acquire(BATON),
    async queued() {
      while ((await keeper.limits.get(BATON)).waiters === 0);
    },
  };
}
