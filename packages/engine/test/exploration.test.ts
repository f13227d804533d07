/** Every interleaving of a small case, to a depth at which all rules meet: breadth first, equal states told apart once. */
import { describe, expect, it } from 'vitest';
import type { Command } from '../src/index.ts';
import { Duel } from './duel.ts';
import { request } from './scene.ts';

const REQUESTS = [{ a: 1 }, { b: 1 }, { b: 2, a: 1 }, { a: 1, b: 2 }];
const CLIENTS = ['x', 'y', 'z'];
const DEPTH = 6;

/** What one client may do next. Each has one acquire at a time, and its session has the name of the client. */
interface ClientState {
  readonly connected: boolean;
  readonly waits: boolean;
  readonly token: number | null;
}

class World {
  readonly duel = new Duel();
  readonly #connected = new Set(CLIENTS);
  /** Which request each client made last. */
  readonly #asked = new Map<string, number>();
  #connections = 0;

  constructor() {
    this.duel.step({ type: 'limit.set', name: 'a', id: 'a', patch: { slots: 1, overtakes: 1 } });
    this.duel.step({ type: 'limit.set', name: 'b', id: 'b', patch: { slots: 2, overtakes: 1 } });
    for (const client of CLIENTS) this.#open(client);
  }

  #open(client: string, more: Partial<Command & { type: 'session.open' }> = {}): void {
    this.#connections += 1;
    const base = { type: 'session.open', session: client, connection: this.#connections, lifeline: 'process' } as const;
    this.duel.step({ ...base, ttlMs: null, leases: [], waits: [], ...more });
  }

  #client(client: string): ClientState {
    const waiter = this.duel.engine.waiters(null).find(({ ticket }) => ticket === client);
    return {
      connected: this.#connected.has(client),
      waits: waiter !== undefined,
      token: this.duel.engine.state.leases.get(client)?.token ?? null,
    };
  }

  /** Names of all that may happen next. */
  moves(): string[] {
    const own = CLIENTS.flatMap((client) => {
      const { connected, waits, token } = this.#client(client);
      if (!connected) return [`${client} returns`];
      if (token !== null) return [`${client} releases`];
      if (waits) return [`${client} cancels`, `${client} goes`];
      return REQUESTS.map((_, i) => `${client} asks ${i}`);
    });
    return [...own, 'resize b'];
  }

  do(move: string): void {
    this.duel.nowMs += 1;
    const [client = '', what, which] = move.split(' ');
    const { token } = this.#client(client);
    if (move === 'resize b') {
      const slots = this.duel.engine.limitView('b')?.slots === 2 ? 3 : 2;
      this.duel.step({ type: 'limit.set', name: 'b', id: 'b', patch: { slots } });
    } else if (what === 'asks') {
      this.#asked.set(client, Number(which));
      this.duel.step({ type: 'acquire', session: client, request: request(client, REQUESTS[Number(which)]!) });
    } else if (what === 'releases') {
      this.duel.step({ type: 'release', lease: client, token: token! });
    } else if (what === 'cancels') {
      this.duel.step({ type: 'cancel', session: client, lease: client });
    } else if (what === 'goes') {
      this.#connected.delete(client);
      this.duel.step({ type: 'session.lost', session: client, connection: this.#connectionOf(client) });
    } else {
      this.#connected.add(client);
      this.#open(client, { waits: [request(client, REQUESTS[this.#asked.get(client)!]!)] });
    }
  }

  #connectionOf(client: string): number {
    return this.duel.model.sessions.find(({ id }) => id === client)!.lastConnection;
  }

  /** The same for states from which the same can follow. */
  canonical(): string {
    const { model } = this.duel;
    const passed = (name: string, seen: number) => {
      const limit = model.limits.find((limit) => limit.name === name)!;
      return Math.min(limit.grants - seen, limit.overtakes);
    };
    return JSON.stringify([
      model.limits.map(({ slots }) => slots),
      model.leases.map(({ lease, amounts }) => [lease, ...amounts]).sort(),
      model
        .line()
        .map(({ lease, amounts, connected, parkedOn, grantsSeen }) => [
          lease,
          amounts,
          connected,
          parkedOn,
          amounts.map(([name]) => passed(name, grantsSeen.get(name)!)),
        ]),
    ]);
  }
}

describe('three clients on two limits', () => {
  it(`agree with the model in every interleaving of ${DEPTH} moves`, () => {
    let frontier: string[][] = [[]];
    const seen = new Set<string>();
    for (let depth = 0; depth < DEPTH; depth++) {
      const next: string[][] = [];
      for (const path of frontier) {
        for (const move of replay(path).moves()) {
          const world = replay(path);
          try {
            world.do(move);
          } catch (error) {
            throw new Error(`after ${[...path, move].join(', ')}`, { cause: error });
          }
          const state = world.canonical();
          if (seen.has(state)) continue;
          seen.add(state);
          next.push([...path, move]);
        }
      }
      frontier = next;
    }
    expect(seen.size).toBeGreaterThan(5000);
  }, 120_000);
});

function replay(path: readonly string[]): World {
  const world = new World();
  for (const move of path) world.do(move);
  return world;
}
