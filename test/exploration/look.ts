/** What a state of an exploration looks like from outside: when two are the same, and what can follow. */
import type { Place, WaiterView } from '@slotkeeper/engine';
import type { CastLimit } from './cast.ts';
import { type Client, renamed, TTL_MS, type World } from './world.ts';

/** The possible moves, and `key`: equal for states with the same future, even if the names of their clients differ. */
export interface Look {
  readonly key: string;
  readonly moves: readonly string[];
}

/** After so long everything has happened that can happen by itself to a client. */
const LONG_MS = 2 * TTL_MS + 1;

export function look(world: World): Look {
  const waiters = world.stepper.engine.waiters(null);
  const described = world.clients.map((client) => ({ client, text: describe(world, client, waiters) }));
  described.sort((a, b) => (a.text < b.text ? -1 : 1));
  const limits = world.cast.limits.map(([name]) => [name, renamed(name)].map((name) => describeLimit(world, name)));
  const { nowMs } = world.stepper;
  const heldBack = world.heldBackUntilMs === null ? '' : world.heldBackUntilMs - nowMs;
  // Of clients in the same situation one is enough.
  const own = described
    .filter(({ text }, i) => described[i - 1]?.text !== text)
    .flatMap(({ client }) => movesOf(world, client));
  return {
    key: [...limits, heldBack, ...described.map(({ text }) => text)].join('|'),
    moves: [...own, ...turnsOf(world)],
  };
}

function describe(world: World, client: Client, waiters: readonly WaiterView[]): string {
  const { engine, nowMs } = world.stepper;
  const { name, connected, ask, token, place, aliveAtMs, askedAtMs } = client;
  const rank = waiters.findIndex(({ ticket }) => ticket === name);
  const waiter = waiters[rank];
  const lease = engine.state.leases.get(name);
  const parts: unknown[] = [connected ? '' : Math.max(aliveAtMs - nowMs, -LONG_MS)];
  if (ask) parts.push(world.cast.asks.indexOf(ask), token === lease?.token, token === null);
  if (waiter) {
    const limits = waiter.limits.map(({ name: limit }) => [limit, passed(world, client, limit)]);
    parts.push(rank, waiter.blockedOn, limits);
  }
  if (ask && token === null) {
    const places = world.clients.map((other) => other.place).filter((other) => other !== null);
    const ahead = place && places.filter((other) => isBefore(other, place)).length;
    parts.push(
      ahead,
      place && Math.max(-1_001, place.atMs - nowMs),
      ask.timeoutMs && Math.max(askedAtMs - nowMs, -LONG_MS),
    );
  }
  if (lease) {
    const older = [...engine.state.leases.values()].filter((other) => other.token < lease.token).length;
    parts.push(older, engine.isValid(name, lease.token), lease.amounts);
    // What would come back of it if it were undone.
    for (const [limit, slots] of lease.spent) {
      const perSecond = engine.state.limits.get(limit)?.settings.slotDecayPerSecond ?? 0;
      parts.push(limit, Math.max(0, slots - (perSecond * (nowMs - lease.grantedAtMs)) / 1000));
    }
  }
  return parts.join(' ');
}

function passed(world: World, client: Client, limit: string): number {
  return Math.min(1, (world.grants.get(limit) ?? 0) - (client.grantsSeen.get(limit) ?? 0));
}

function describeLimit(world: World, name: string): string {
  const limit = world.stepper.engine.state.limits.get(name);
  if (!limit) return '';
  const { slots, mode, slotDecayPerSecond } = limit.settings;
  return `${slots}${mode}${slotDecayPerSecond ?? ''} ${takenOf(world, name)}`;
}

function takenOf(world: World, name: string): number {
  const { engine, nowMs } = world.stepper;
  const { usage } = engine.state.limits.get(name)!;
  if (usage.kind === 'semaphore') return usage.taken;
  return Math.max(0, usage.taken - (usage.slotDecayPerSecond * (nowMs - usage.atMs)) / 1000);
}

function movesOf(world: World, { name, connected, ask, token }: Client): string[] {
  const { turns } = world.cast;
  if (!connected) return [`${name} returns`, ...(ask ? [`${name} forgets`] : [])];
  if (!ask) return world.cast.asks.map((_, i) => `${name} asks ${i}`);
  const own = [token === null ? `${name} cancels` : `${name} releases`];
  if (token !== null && turns.has('undo')) own.push(`${name} cancels`);
  if (token !== null && turns.has('untracked')) own.push(`${name} leaves`);
  return turns.has('sessions') ? [...own, `${name} goes`, `${name} returns`, `${name} closes`] : own;
}

function turnsOf(world: World): string[] {
  const { turns, limits } = world.cast;
  const moves = limits.flatMap((limit) => turnsOfLimit(world, limit));
  const hasDeadline = (turns.has('time') || world.heldBackUntilMs !== null) && world.deadlines().length > 0;
  if (hasDeadline) moves.push('time passes');
  const taken = [...world.stepper.engine.state.limits.values()].some(
    ({ name, settings }) => settings.slotDecayPerSecond !== null && takenOf(world, name) > 0,
  );
  if (turns.has('refill') && taken) moves.push('time refills');
  if (turns.has('restart')) moves.push('server restarts');
  return moves;
}

function turnsOfLimit(world: World, [name, slots, perSecond]: CastLimit): string[] {
  const { turns } = world.cast;
  const { limits } = world.stepper.engine.state;
  const limit = limits.get(name);
  const isElsewhere = limits.has(renamed(name));
  if (!limit) {
    const back = isElsewhere ? [`${renamed(name)} renamed ${name}`] : [];
    return turns.has('delete') || !isElsewhere ? [...back, `${name} made ${slots}`] : back;
  }
  const moves: string[] = [];
  const { slots: now, mode, slotDecayPerSecond } = limit.settings;
  if (turns.has('resize')) {
    for (const other of [slots - 1, slots, slots + 1]) if (other !== now) moves.push(`${name} resized ${other}`);
  }
  if (turns.has('pause')) moves.push(mode === 'open' ? `${name} paused` : `${name} resumed`);
  if (turns.has('delete')) moves.push(`${name} deleted`);
  if (turns.has('untracked')) {
    const taken = takenOf(world, name);
    if (taken > 0) moves.push(`${name} returned`);
    for (const some of [0, slots]) if (some !== taken) moves.push(`${name} occupied ${some}`);
  }
  if (turns.has('rename')) moves.push(`${name} renamed ${isElsewhere ? name : renamed(name)}`);
  if (turns.has('kind')) {
    moves.push(slotDecayPerSecond === null ? `${name} decays ${perSecond ?? 1}` : `${name} keeps`);
  }
  return moves;
}

function isBefore(a: Place, b: Place): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
