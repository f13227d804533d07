/** A hostile or broken client of the session protocol: its messages are valid, or nearly so. */
import { VERSIONS } from '@slotkeeper/protocol';
import type { Random } from '../random.ts';
import { damagedText, type Json, mutated, toText } from './mutate.ts';

const LIMITS = ['a', 'b', 'c', '__proto__', 'constructor', 'tag:x'];
const METHODS = ['ensure', 'set', 'get', 'list', 'delete', 'pause', 'drain', 'resume'].map((name) => `limits.${name}`);

/** Rows of messages as the codec writes them (packages/protocol/src/json-codec.ts), made without it. */
export class Peer {
  readonly #random: Random;
  readonly session: string;
  /** Leases of a small pool that all peers share, so that they get in each other's way. */
  readonly #pool: readonly string[];
  readonly tokens = new Map<string, number>();
  connection = 0;
  #number = 0;

  constructor(random: Random, pool: readonly string[], session: string) {
    this.#random = random;
    this.#pool = pool;
    this.session = session;
  }

  /** The first messages of a new connection, in one frame or in several. */
  greeting(): string[] {
    const random = this.#random;
    this.#number = 0;
    this.connection += 1;
    const ttlMs = random.pick([2_000, 15_000, 300_000]);
    const ofLater = random.pick<Json[]>([[], [VERSIONS.max], [VERSIONS.max + 1, 'a field of a later version']]);
    const hello: Json = ['h', VERSIONS.min, this.session, this.connection, ttlMs, null, ...ofLater];
    const claims: Json[] = [...this.tokens]
      .filter(() => random.next() < 0.7)
      .map(([lease, token]) => ['c', lease, token]);
    const waits = Array.from({ length: random.integer(0, 2) }, () => this.acquire());
    const rows = [hello, ...claims, ...waits, ['r']];
    if (random.next() < 0.8) return [this.#frame(rows)];
    return rows.map((row) => this.#frame([row]));
  }

  frame(): string {
    const count = this.#random.pick([0, 1, 1, 1, 2, 5, 40]);
    return this.#frame(Array.from({ length: count }, () => this.message()));
  }

  #frame(rows: Json[]): string {
    const random = this.#random;
    this.#number += 1;
    const frame: Json = [this.#number, ...rows];
    const dice = random.next();
    if (dice < 0.55) return toText(frame);
    // A part of one message, so that what stands before it is carried out.
    if (dice < 0.85 && rows.length > 0) {
      const i = random.integer(1, rows.length);
      frame[i] = mutated(random, frame[i] as Json);
      return toText(frame);
    }
    if (dice < 0.95) return toText(mutated(random, frame));
    return damagedText(random, toText(frame));
  }

  message(): Json {
    const random = this.#random;
    const lease = random.pick(this.#pool);
    switch (random.integer(0, 11)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.acquire();
      case 4:
      case 5:
        return ['f', lease, this.tokens.get(lease) ?? random.integer(0, 50)];
      case 6:
        return ['x', lease];
      case 7:
        return random.next() < 0.2 ? ['z'] : ['r'];
      default:
        return this.#call();
    }
  }

  acquire(): Json {
    const random = this.#random;
    const names = LIMITS.filter(() => random.next() < 0.3);
    return [
      'a',
      random.pick(this.#pool),
      (names.length > 0 ? names : ['a']).map((name) => [name, random.integer(1, 3)]),
      random.pick([null, null, 0, 500, 10_000, 0.25]),
      random.pick([0, 0, 1, -1, 86_400, -86_400, 0.5]),
      random.pick<Json>([
        [null, null, null, null, null],
        ['run', 'r1', 'label', 'host', 42],
      ]),
      random.pick<Json>(['error', 'allow', 'allow', { slots: 2 }, { slots: 3, overtakes: 1, slotDecayPerSecond: 2 }]),
      random.pick<Json>([null, null, null, [0, 0], [1e12, 5], [1.7e12, 2 ** 40], ['#raw 0#', 1], [1, '#raw 1#']]),
      random.next() < 0.1,
      random.next() < 0.3,
    ];
  }

  #call(): Json {
    const random = this.#random;
    const name = random.pick(LIMITS);
    const limit = random.pick([null, name]);
    const params: Record<string, Json> = {
      'limits.ensure': { name, spec: { slots: random.integer(0, 3) } },
      'limits.set': {
        name,
        spec: random.pick<Json>([
          { slots: random.integer(0, 3) },
          { active: random.next() < 0.6 },
          { overtakes: 0 },
          { slotDecayPerSecond: random.pick([null, 1e-9, 0.5, 1_000]) },
        ]),
      },
      'limits.list': { prefix: '', after: random.pick([null, 'b']) },
      'limits.delete': { name, force: random.next() < 0.7 },
      holders: { limit, after: random.pick([null, '5', 'x']) },
      waiters: { limit, after: random.pick([null, '5 5', 'x']) },
      check: { lease: random.pick(this.#pool), token: random.integer(0, 50) },
    };
    const method = random.pick([...METHODS, 'holders', 'waiters', 'check']);
    return ['m', random.integer(0, 9), method, params[method] ?? { name }];
  }
}

/** An id that the seed brings back. */
export function uuid(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random.integer(0, 15).toString(16)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
