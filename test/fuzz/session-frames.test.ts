/** Frames that are wrong in every way, in memory and in virtual time, so that there can be many. */
import type { ServerMessage } from '@slotkeeper/protocol';
import { describe, expect, it } from 'vitest';
import { startWorld, TTL_MS, Wire, type World } from '../../packages/server/test/wire.ts';
import type { Random } from '../random.ts';
import { seeded, TEST_TIMEOUT_MS, times } from './budget.ts';
import { Peer, uuid } from './peer.ts';

const PEERS = 12;

/** A peer's connection, and the last that was said on it. */
class BadConnection {
  readonly peer: Peer;
  readonly wire: Wire;
  readonly #said: string[] = [];
  #saidBye = false;

  constructor(world: World, peer: Peer) {
    this.peer = peer;
    this.wire = new Wire(world, peer.session);
    this.#say(peer.greeting());
  }

  goOn(): void {
    this.#say([this.peer.frame()]);
  }

  #say(frames: readonly string[]): void {
    for (const frame of frames) {
      if (this.wire.isClosed) return;
      this.#saidBye ||= frame.includes('["z"');
      this.#said.push(frame.length > 2_000 ? `${frame.slice(0, 2_000)}… (${frame.length})` : frame);
      try {
        this.wire.sendText(frame);
      } catch (error) {
        throw new Error(`a frame was answered by an exception; said on this connection:\n${this.story()}`, {
          cause: error,
        });
      }
    }
  }

  story(): string {
    return this.#said.join('\n');
  }

  /** Remembers what it was granted; a closed connection must have said why. */
  listen(): void {
    for (const { leaseId: lease, grant } of this.wire.of('granted')) this.peer.tokens.set(lease, grant.token);
    if (!this.wire.isClosed) return;
    const last = this.wire.received.at(-1);
    if (!isGoodbye(last) && !this.#saidBye)
      throw new Error(`closed with ${JSON.stringify(last)} as the last word, after\n${this.story()}`);
  }
}

/** The goodbye says what was wrong, and where. */
function isGoodbye(message: ServerMessage | undefined): boolean {
  if (message?.type !== 'goodbye') return false;
  const { code, details } = message.error;
  if (code !== 'INVALID_REQUEST') return ['CONFLICT', 'SERVER_UNREACHABLE', 'QUEUE_FULL'].includes(code);
  return typeof details.field === 'string' && details.field !== '' && typeof details.reason === 'string';
}

/** Two clients that do as they should, one slot between them. */
class Honest {
  readonly #world: World;
  readonly #wires: readonly [Wire, Wire];
  readonly #limit: string;
  readonly #random: Random;
  #token = 0;
  rounds = 0;

  constructor(world: World, random: Random) {
    this.#world = world;
    this.#random = random;
    this.#limit = `honest ${random.seed}`;
    const [a, b] = [new Wire(world, uuid(random)), new Wire(world, uuid(random))];
    a.greet();
    b.greet();
    this.#wires = [a, b];
    world.replica.submit({ type: 'limit.set', name: this.#limit, id: 'honest', patch: { slots: 1 } });
  }

  /** One takes it, the other waits, gets it as it is given back, and sees who holds it. */
  async round(): Promise<void> {
    this.rounds += 1;
    const { time } = this.#world;
    const [a, b] = this.#random.next() < 0.5 ? this.#wires : ([this.#wires[1], this.#wires[0]] as const);
    const first = a.acquire([[this.#limit, 1]], { leaseId: uuid(this.#random) });
    await time.pass(1);
    const second = b.acquire([[this.#limit, 1]], { leaseId: uuid(this.#random) });
    await time.pass(1);
    const token = this.#told(a, first);
    expect(b.grantOf(second)).toBeUndefined();
    expect(b.of('queued').at(-1)?.leaseId).toBe(second);
    a.send({ type: 'call', id: this.rounds, method: 'holders', params: { limit: this.#limit, after: null } });
    a.send({ type: 'release', leaseId: first, token });
    await time.pass(1);
    expect(a.of('reply').at(-1)).toMatchObject({ id: this.rounds, value: { items: [{ leaseId: first, token }] } });
    b.send({ type: 'release', leaseId: second, token: this.#told(b, second) });
    await time.pass(1);
    for (const wire of this.#wires) {
      expect(wire.isClosed, JSON.stringify(wire.received.at(-1))).toBe(false);
      expect(wire.received.some(({ type }) => type === 'refused' || type === 'ended' || type === 'failed')).toBe(false);
      wire.received.length = 0;
    }
  }

  #told(wire: Wire, lease: string): number {
    const token = wire.grantOf(lease)?.token ?? 0;
    expect(token).toBeGreaterThan(this.#token);
    this.#token = token;
    return token;
  }
}

describe('frames that are wrong', () => {
  it(
    'end their own connection at most, with what was wrong, and nobody else notices',
    async () => {
      const random = seeded('session-frames.test.ts');
      const world = await startWorld();
      const failures: string[] = [];
      world.replica.on({ failed: (reason) => failures.push(reason) });
      const honest = new Honest(world, random);
      const pool = Array.from({ length: 30 }, () => uuid(random));
      const peers = Array.from({ length: PEERS }, () => new Peer(random, pool, uuid(random)));
      const open = new Map<Peer, BadConnection>();
      // Every kind of answer occurs: requests are not merely refused when they are read.
      const told = new Set<ServerMessage['type']>();
      let frames = 0;
      let connections = 0;
      for (let turn = 0; frames < times(40_000); turn++) {
        for (const peer of peers) {
          const connection = open.get(peer) ?? new BadConnection(world, peer);
          if (!open.has(peer)) connections += 1;
          open.set(peer, connection);
          for (let i = random.integer(0, 5); i > 0; i--, frames++) connection.goOn();
          if (random.next() < 0.01) connection.wire.cut();
        }
        await world.time.pass(random.pick([0, 1, 100, 700]));
        for (const [peer, connection] of open) {
          connection.listen();
          for (const { type } of connection.wire.received) told.add(type);
          connection.wire.received.length = connection.wire.isClosed ? connection.wire.received.length : 0;
          if (connection.wire.isClosed || random.next() < 0.01) open.delete(peer);
        }
        expect(failures, 'the replica had to start again').toEqual([]);
        if (turn % 20 === 0) await honest.round();
      }
      for (const { wire } of open.values()) wire.cut();
      for (let i = 0; i < 700; i++) {
        await world.time.pass(TTL_MS / 10);
        if (i % 5 === 0) await honest.round();
      }
      expect([...world.replica.engine.holders(null)]).toEqual([]);
      expect(world.replica.engine.waiters(null)).toEqual([]);
      expect(failures).toEqual([]);
      expect(told).toEqual(new Set(['welcome', 'granted', 'queued', 'refused', 'ended', 'reply', 'failed', 'goodbye']));
      console.log(`${frames} frames on ${connections} connections, ${honest.rounds} rounds of the honest`);
    },
    TEST_TIMEOUT_MS,
  );
});
