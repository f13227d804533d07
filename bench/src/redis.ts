import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Caller, Contender, Rival } from './contender.ts';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';

const LEASE_TTL_MS = 15_000;
const BATON = 'bench-baton';

/** A member for each holder, with its deadline as score. */
const ACQUIRE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
return 1`;
const RELEASE = `return redis.call('ZREM', KEYS[1], ARGV[1])`;

const PERSISTENCE = {
  memory: ['--save', '', '--appendonly', 'no'],
  always: ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
};

/** The semaphore that people write on Redis; as hand-over, a list that holds one token. */
export function redisEvalsha(persistence: keyof typeof PERSISTENCE): Contender {
  const name = `redis-${persistence}`;
  return {
    name,
    durable: persistence === 'always' ? 'yes' : 'no',
    server: {
      name,
      missing: () => (redisVersion() ? undefined : 'there is no redis-server on the PATH; install Redis 7'),
      async serve(folder) {
        const port = await freePort();
        const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...PERSISTENCE[persistence]];
        const url = `redis://127.0.0.1:${port}`;
        return ServerProcess.start('redis-server', args, /Ready to accept connections/, { url });
      },
    },
    async separate(url, count) {
      const client = await open(url);
      const scripts = { acquire: await client.scriptLoad(ACQUIRE), release: await client.scriptLoad(RELEASE) };
      return {
        callers: Array.from({ length: count }, (_, i) => caller(client, scripts, `bench-${i}`)),
        close: () => client.close(),
      };
    },
    async rivals(url) {
      const clients = [await open(url), await open(url)];
      const observer = await open(url);
      await observer.del(BATON);
      await observer.rPush(BATON, 'token');
      return {
        callers: clients.map((client) => rival(client, observer)),
        close: () => Promise.all([...clients, observer].map((client) => client.close())),
      };
    },
  };
}

export function redisVersion(): string | undefined {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(stdout ?? '')?.[1];
}

type Client = Awaited<ReturnType<typeof open>>;

async function open(url: string) {
  const { createClient } = await import('redis');
  return createClient({ url }).connect();
}

function caller(client: Client, scripts: { acquire: string; release: string }, key: string): Caller {
  const keys = [key];
  return {
    async acquire() {
      const token = randomUUID();
      const granted = await client.evalSha(scripts.acquire, { keys, arguments: ['1', String(LEASE_TTL_MS), token] });
      if (granted !== 1) throw new Error(`${key} is taken, though only one caller uses it.`);
      return { release: () => client.evalSha(scripts.release, { keys, arguments: [token] }) };
    },
  };
}

function rival(client: Client, observer: Client): Rival {
  return {
    async acquire() {
      await client.blPop(BATON, 0);
      return { release: () => client.rPush(BATON, 'token') };
    },
    async queued() {
      while (!(await observer.info('clients')).includes('blocked_clients:1'));
    },
  };
}
