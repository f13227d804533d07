/** A keeper over a scripted server in virtual time. */
import { randomUUID } from 'node:crypto';
import { VirtualTime } from '../../../test/virtual-time.ts';
import type { AcquireOptions } from '../src/acquire-call.ts';
import { Keeper, type Warning } from '../src/keeper.ts';
import type { Lease } from '../src/lease.ts';
import { Session, type Status } from '../src/session.ts';
import { ScriptedServer } from './scripted-server.ts';

export interface World {
  readonly clock: VirtualTime;
  readonly server: ScriptedServer;
  readonly session: Session;
  readonly keeper: Keeper;
  readonly statuses: Status[];
  readonly warnings: Warning[];
  /** Whether the keeper keeps the process alive. */
  readonly isBusy: () => boolean;
}

export function world(ttlMs: number | null = 15_000): World {
  const clock = new VirtualTime();
  const server = new ScriptedServer();
  const statuses: Status[] = [];
  const warnings: Warning[] = [];
  let isBusy = false;
  const session = new Session(
    { clock, dial: server.dial, newId: randomUUID, random: () => 0.5 },
    { ttlMs, connectTimeoutMs: 10_000, apiKey: null, address: 'http://127.0.0.1:4230' },
    {
      status: (status) => statuses.push(status),
      busy: (busy) => {
        isBusy = busy;
      },
    },
  );
  const keeper = new Keeper(
    { session, ttlMs: ttlMs ?? 15_000, close: async () => {} },
    { clock, defaults: { host: 'box', pid: 1 }, warn: (warning) => warnings.push(warning) },
  );
  return { clock, server, session, keeper, statuses, warnings, isBusy: () => isBusy };
}

export async function connected(ttlMs: number | null = 15_000): Promise<World> {
  const it = world(ttlMs);
  const started = it.session.start();
  it.server.last.welcome(ttlMs);
  await started;
  return it;
}

/** An acquire of one slot of `db` that the server has granted. */
export async function holding({ keeper, clock, server }: World, options: AcquireOptions = {}): Promise<Lease> {
  const acquired = keeper.acquire('db', options);
  await clock.pass(0);
  const { leaseId: lease } = server.last.acquires.at(-1)!;
  server.last.grant(lease, { token: 6 + server.last.acquires.length });
  return acquired;
}

/** What has become of a promise so far. */
export async function soFar<T>(promise: Promise<T>): Promise<{ value: T } | { error: unknown } | 'pending'> {
  const outcome = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  return Promise.race([outcome, new Promise<'pending'>((resolve) => setImmediate(() => resolve('pending')))]);
}
