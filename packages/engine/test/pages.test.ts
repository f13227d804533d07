/** Lists that are read page by page while others come and go. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Engine, Place } from '../src/index.ts';
import { request, Scene } from './scene.ts';

const LIMITS = ['a', 'ab', 'b', 'c'];
const SESSIONS = ['S', 'T'];

interface Item {
  readonly key: string;
  /** After which the next page begins. */
  readonly cursor: Cursor;
}

interface Cursor {
  readonly name: string | null;
  readonly token: number;
  readonly position: { readonly place: Place; readonly leaseId: string } | null;
}

const START: Cursor = { name: null, token: 0, position: null };

interface List {
  readonly name: string;
  readonly page: (engine: Engine, after: Cursor, max?: number) => readonly Item[];
}

function limits(prefix: string): List {
  return {
    name: `limits whose names begin with '${prefix}'`,
    page: (engine, after, max) =>
      engine.limits(prefix, after.name, max).map(({ name }) => ({ key: name, cursor: { ...START, name } })),
  };
}

function holders(limit: string | null): List {
  return {
    name: `holders of ${limit ?? 'any limit'}`,
    page: (engine, after, max) =>
      engine.holders(limit, after.token, max).map(({ token }) => ({ key: `${token}`, cursor: { ...START, token } })),
  };
}

function waiters(limit: string | null): List {
  return {
    name: `waiters of ${limit ?? 'any limit'}`,
    page: (engine, after, max) =>
      engine.waiters(limit, after.position, max).map(({ ticket, place }) => ({
        key: `${ticket} at ${place.atMs} ${place.number}`,
        cursor: { ...START, position: { place, leaseId: ticket } },
      })),
  };
}

const acts = fc.record({
  act: fc.constantFrom('ask', 'ask', 'ask', 'ask', 'claim', 'release', 'cancel', 'leave', 'limit', 'rename'),
  pick: fc.nat(),
  names: fc.uniqueArray(fc.constantFrom(...LIMITS), { minLength: 1, maxLength: 2 }),
  session: fc.constantFrom(...SESSIONS),
  priority: fc.constantFrom(0, 0, 0, 5, -5),
});

type Act = typeof acts extends fc.Arbitrary<infer A> ? A : never;

class World {
  readonly scene = new Scene(Object.fromEntries(LIMITS.map((name) => [name, 3])));
  readonly #away = new Set<string>();
  #asked = 0;

  constructor() {
    for (const session of SESSIONS) this.#open(session);
  }

  get engine(): Engine {
    return this.scene.engine;
  }

  carryOut({ act, pick, names, session, priority }: Act): void {
    const { scene } = this;
    const [name, other] = names as [string, string?];
    const amounts = Object.fromEntries(names.map((name) => [name, 1]));
    const oneOf = (ids: readonly string[]): string | undefined => ids[pick % Math.max(1, ids.length)];
    scene.sleep(1);
    if (act !== 'leave' && this.#away.has(session)) this.#open(session);
    if (act === 'ask') {
      scene.acquire(this.#newLease(session), amounts, { session, priority, onMissing: 'allow' });
    } else if (act === 'claim') {
      // A client that comes back may claim any position, one that another has, too.
      const place = this.engine.waiters(null, null, 1)[0]?.place ?? null;
      scene.acquire(this.#newLease(session), amounts, { session, place, onMissing: 'allow' });
    } else if (act === 'release') {
      const lease = oneOf(scene.holding());
      if (lease) scene.release(lease);
    } else if (act === 'cancel') {
      const lease = oneOf(scene.waiting());
      if (lease) scene.cancel(lease, sessionOf(lease));
    } else if (act === 'leave') {
      scene.lose(session);
      this.#away.add(session);
    } else if (act === 'limit') {
      if (this.engine.state.limits.has(name)) scene.do({ type: 'limit.delete', name, force: true });
      else scene.limit(name, { slots: 3 });
    } else if (other !== undefined) {
      scene.do({ type: 'limit.rename', name, to: other });
    }
  }

  #newLease(session: string): string {
    this.#asked += 1;
    return `${session} ${this.#asked}`;
  }

  /** It comes back, with all that it holds and waits for. */
  #open(session: string): void {
    const { scene } = this;
    const isOwn = (lease: string): boolean => sessionOf(lease) === session;
    const waits = this.engine
      .waiters(null)
      .filter(({ ticket }) => isOwn(ticket))
      .map(({ ticket, limits, place, priority }) => {
        const amounts = Object.fromEntries(limits.map(({ name, slots }) => [name, slots]));
        return request(ticket, amounts, { place, priority, onMissing: 'allow' });
      });
    const leases = scene.holding().filter(isOwn);
    scene.open(session, { ttlMs: 3_600_000, leases: leases.map((lease) => scene.claim(lease)), waits });
    this.#away.delete(session);
  }
}

function sessionOf(lease: string): string {
  return lease.split(' ')[0] as string;
}

describe('a list that is read page by page', () => {
  for (const list of [limits(''), limits('a'), holders(null), holders('a'), waiters(null), waiters('a')]) {
    it(`shows each of the ${list.name} that is there throughout exactly once, in order, while others come and go`, () => {
      const between = fc.array(fc.array(acts, { maxLength: 3 }), { maxLength: 10 });
      fc.assert(
        fc.property(fc.array(acts, { maxLength: 30 }), between, fc.integer({ min: 1, max: 4 }), (before, rest, max) => {
          const world = new World();
          for (const act of before) world.carryOut(act);
          const whole = (): string[] => list.page(world.engine, START).map(({ key }) => key);
          let throughout = whole();
          const seen: string[] = [];
          let after = START;
          for (const between of [...rest, ...Array(100).fill([])] as Act[][]) {
            const page = list.page(world.engine, after, max);
            expect(page.length).toBeLessThanOrEqual(max);
            seen.push(...page.map(({ key }) => key));
            after = page.at(-1)?.cursor ?? after;
            for (const act of between) {
              world.carryOut(act);
              const now = new Set(whole());
              throughout = throughout.filter((key) => now.has(key));
            }
          }
          expect(new Set(seen).size).toBe(seen.length);
          const isThroughout = new Set(throughout);
          expect(seen.filter((key) => isThroughout.has(key))).toEqual(throughout);
        }),
      );
    });
  }
});
