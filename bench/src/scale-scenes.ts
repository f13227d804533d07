/** Engines with many limits, leases or waiters, and the pieces of work whose cost must not hang on how many there are. */
import {
  type AcquireRequest,
  type Amounts,
  type Command,
  Engine,
  emptyState,
  type LimitPatch,
  type Step,
} from '@slotkeeper/engine';

/** Few, so that ten things fill a page as well as a million. */
const PAGE = 5;
const PER_SESSION = 100;

/** A piece of work, done again and again; it leaves everything as it found it. */
export interface Work {
  readonly name: string;
  run(): void;
}

export interface Scene {
  /** What there are many of. */
  readonly items: string;
  /** Fills the engine with `count` of them; what it returns is measured. */
  fill(world: World, count: number): readonly Work[];
}

/** One engine, asked by many sessions. What it decides is thrown away. */
export class World {
  readonly engine = new Engine(
    emptyState(),
    { epoch: 1, nowMs: 0 },
    { sessions: 1e7, waiters: 1e7, waitersPerSession: 1e7, leasesPerSession: 1e7 },
  );
  #nowMs = 1_000_000;
  #acquires = 0;
  #sessions = 0;

  step(command: Command): Step {
    this.#nowMs += 0.01;
    return this.engine.step(command, this.#nowMs);
  }

  limit(name: string, patch: LimitPatch): void {
    this.step({ type: 'limit.set', name, id: idOf(name), patch });
  }

  session(): string {
    const sessionId = `session-${this.#sessions++}`;
    this.step({
      type: 'session.open',
      sessionId,
      connection: 1,
      lifeline: 'heartbeat',
      ttlMs: 3_600_000,
      leases: [],
      waits: [],
      origin: 'session',
    });
    return sessionId;
  }

  acquire(sessionId: string, amounts: Amounts, options: Partial<AcquireRequest> = {}): Step {
    const leaseId = `00000000-0000-4000-8000-${String(this.#acquires++).padStart(12, '0')}`;
    return this.step({ type: 'acquire', sessionId, request: { ...REQUEST, leaseId, amounts, ...options } });
  }

  queueAndCancel(sessionId: string, amounts: Amounts): void {
    const { leaseId } = this.acquire(sessionId, amounts).notices.find((notice) => notice.type === 'queued')!;
    this.step({ type: 'cancel', sessionId, leaseId });
  }

  pair(sessionId: string, amounts: Amounts): void {
    const { leaseId, token } = grantIn(this.acquire(sessionId, amounts));
    this.step({ type: 'release', leaseId, token });
  }
}

const REQUEST: Omit<AcquireRequest, 'leaseId' | 'amounts'> = {
  timeoutMs: null,
  priority: 0,
  holder: { type: null, id: null, label: null, host: null, pid: null },
  onMissing: 'error',
  place: null,
  ratesOnly: false,
  refunds: false,
  skipInactive: false,
  limitIds: [],
};

function idOf(name: string): string {
  return `id of ${name}`;
}

/** What anybody may do to a limit that has little to do with all the others. */
function workOnAnother(world: World): Work[] {
  const name = 'another';
  const sessionId = world.session();
  world.limit(name, { slots: 2 });
  world.limit('a rate', { slots: 1_000, slotDecayPerSecond: 1 });
  world.acquire(sessionId, [[name, 2]]);
  world.acquire(sessionId, [[name, 1]]);
  world.limit('one more', { slots: 1 });
  let turn = 0;
  const isOdd = (): boolean => ++turn % 2 === 1;
  return [
    {
      name: 'acquire + release of another limit',
      run: () => world.pair(sessionId, [['one more', 1]]),
    },
    {
      name: 'limit.set of another limit, with a waiter',
      run: () => world.limit(name, { description: isOdd() ? 'odd' : 'even' }),
    },
    {
      name: 'limit.set of another limit, its decay',
      run: () => world.limit('a rate', { slotDecayPerSecond: isOdd() ? 2 : 1 }),
    },
    {
      name: 'limit.rename of another limit',
      run: () => {
        const [from, to] = isOdd() ? ['one more', 'renamed'] : ['renamed', 'one more'];
        world.step({ type: 'limit.rename', name: from!, to: to! });
      },
    },
    {
      name: 'limit.set + limit.delete of a new limit',
      run: () => {
        world.limit('new', { slots: 1 });
        world.step({ type: 'limit.delete', name: 'new', force: false });
      },
    },
  ];
}

const limits: Scene = {
  items: 'limits',
  fill(world, count) {
    const nameOf = (i: number): string => `limit-${String(i).padStart(7, '0')}`;
    // Not in the order of their names: every prime steps through all of them.
    for (let i = 0; i < count; i += 1) world.limit(nameOf((i * 7_919) % count), { slots: 1 });
    const middle = nameOf(count / 2 - 1);
    return [
      {
        name: 'a page of limits, from the middle',
        run: () => expectPage(world.engine.limits('', middle, PAGE)),
      },
      { name: 'a page of limits, by prefix', run: () => expectPage(world.engine.limits('limit-', null, PAGE)) },
      {
        name: 'a limit by its id',
        run: () => {
          if (world.engine.state.limits.withId(idOf(middle))?.name !== middle)
            throw new Error('it is not found by its id');
        },
      },
      ...workOnAnother(world),
    ];
  },
};

const leases: Scene = {
  items: 'leases',
  fill(world, count) {
    const name = 'held';
    world.limit(name, { slots: count + 1 });
    const sessions = fill(count, world, [[name, 1]]);
    const middle = [...world.engine.state.leases.values()][count / 2 - 1]!.token;
    return [
      { name: 'a page of holders, of their limit', run: () => expectPage(world.engine.holders(name, middle, PAGE)) },
      { name: 'a page of holders, of all', run: () => expectPage(world.engine.holders(null, middle, PAGE)) },
      {
        name: 'acquire + release of their limit',
        run: () => world.pair(sessions[0]!, [[name, 1]]),
      },
      {
        name: 'a try of their limit, which is full',
        run: () => world.acquire(sessions[0]!, [[name, 2]], { timeoutMs: 0 }),
      },
      { name: 'limit.set of their limit', run: toggle(world, name) },
      ...workOnAnother(world),
    ];
  },
};

const waiters: Scene = {
  items: 'waiters',
  fill(world, count) {
    const name = 'wanted';
    world.limit(name, { slots: 1 });
    const holder = world.session();
    let held = grantIn(world.acquire(holder, [[name, 1]]));
    const sessions = fill(count, world, [[name, 1]]);
    const { place, ticket: leaseId } = world.engine.waiters(name, null, count / 2).at(-1)!;
    const middle = { place, leaseId };
    return [
      { name: 'a page of waiters, of their limit', run: () => expectPage(world.engine.waiters(name, middle, PAGE)) },
      { name: 'a page of waiters, of all', run: () => expectPage(world.engine.waiters(null, middle, PAGE)) },
      {
        name: 'a try of their limit',
        run: () => world.acquire(holder, [[name, 1]], { timeoutMs: 0 }),
      },
      { name: 'limit.set of their limit', run: toggle(world, name) },
      {
        name: 'hand-over to the first, and an acquire to the end of the wait queue',
        run: () => {
          const { leaseId, token, sessionId } = held;
          held = grantIn(world.step({ type: 'release', leaseId, token }));
          world.acquire(sessionId, [[name, 1]]);
        },
      },
      {
        name: 'acquire to the end of the wait queue + cancel',
        run: () => {
          world.queueAndCancel(sessions[0]!, [[name, 1]]);
        },
      },
      ...workOnAnother(world),
    ];
  },
};

/** Each has a holder and a waiter, so there are as many lanes. */
const contended: Scene = {
  items: 'contended limits',
  fill(world, count) {
    let sessionId = '';
    for (let i = 0; i < count; i += 1) {
      if (i % PER_SESSION === 0) sessionId = world.session();
      world.limit(`limit-${i}`, { slots: 1 });
      world.acquire(sessionId, [[`limit-${i}`, 1]]);
      world.acquire(sessionId, [[`limit-${i}`, 1]]);
    }
    const [holder, waiter] = [world.session(), world.session()];
    world.limit('handed on', { slots: 1 });
    world.limit('full', { slots: 1 });
    let held = grantIn(world.acquire(holder, [['handed on', 1]]));
    world.acquire(waiter, [['handed on', 1]]);
    world.acquire(holder, [['full', 1]]);
    return [
      { name: 'a page of waiters, of all', run: () => expectPage(world.engine.waiters(null, null, PAGE)) },
      {
        name: 'the only waiter of another limit: acquire + cancel',
        run: () => {
          world.queueAndCancel(waiter, [['full', 1]]);
        },
      },
      {
        name: 'hand-over of another limit to its only waiter, and an acquire',
        run: () => {
          const { leaseId, token, sessionId } = held;
          held = grantIn(world.step({ type: 'release', leaseId, token }));
          world.acquire(sessionId, [['handed on', 1]]);
        },
      },
      ...workOnAnother(world),
    ];
  },
};

interface Grant {
  readonly sessionId: string;
  readonly leaseId: string;
  readonly token: number;
}

/** The one grant of the step. */
function grantIn({ notices }: Step): Grant {
  const [granted, ...others] = notices.filter((notice) => notice.type === 'granted');
  if (!granted || others.length > 0) throw new Error('the step has not one grant');
  return { sessionId: granted.sessionId, leaseId: granted.leaseId, token: granted.grant.token };
}

function toggle(world: World, name: string): () => void {
  let turn = 0;
  return () => world.limit(name, { description: ++turn % 2 === 1 ? 'odd' : 'even' });
}

/** Each session asks `PER_SESSION` times. */
function fill(count: number, world: World, amounts: Amounts): string[] {
  const sessions: string[] = [];
  for (let i = 0; i < count; i += 1) {
    if (i % PER_SESSION === 0) sessions.push(world.session());
    world.acquire(sessions.at(-1)!, amounts);
  }
  return sessions;
}

function expectPage(items: readonly unknown[]): void {
  if (items.length !== PAGE) throw new Error(`a page has ${items.length} items`);
}

export const scenes: readonly Scene[] = [limits, leases, waiters, contended];
