import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Keeper } from 'slotkeeper';
import type { Contender, ContenderServer, Rival } from './contender.ts';
import { ServerProcess } from './server-process.ts';

const SERVER = fileURLToPath(new URL('../../packages/server/dist/main.js', import.meta.url));
const BATON = 'bench-baton';

export const slotkeeperServer: ContenderServer = {
  name: 'slotkeeper',
  missing: () => (existsSync(SERVER) ? undefined : 'it is not built; run npm run build'),
  serve: (folder) =>
    ServerProcess.start(process.execPath, [SERVER, 'serve', '--port', '0', '--data', folder], / ready on (\S+) /),
};

export const slotkeeper: Contender = {
  name: 'slotkeeper',
  durable: 'yes',
  server: slotkeeperServer,
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

/** Loaded here, so that the others' load processes do not carry it. */
async function open(url: string): Promise<Keeper> {
  const { connect } = await import('slotkeeper');
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
