/** What a state of an exploration looks like from outside: when two are the same, and what can follow. */
import type { Place, WaiterView } from '@slotkeeper/engine';
import type { Client, World } from './world.ts';

/** What can follow, and `key`: the same for states from which the same can follow, whatever the names of the clients. */
export interface Look {
  readonly key: string;
  readonly moves: readonly string[];
}

export function look(world: World): Look {
  const waiters = world.stepper.engine.waiters(null);
  const described = world.clients.map((client) => ({ client, text: describe(world, client, waiters) }));
  described.sort((a, b) => (a.text < b.text ? -1 : 1));
  const limits = world.cast.limits.map(([name]) => describeLimit(world, name));
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
  const { name, connected, wish, token, place, heardAtMs, askedAtMs } = client;
  const rank = waiters.findIndex(({ ticket }) => ticket === name);
  const waiter = waiters[rank];
  const lease = engine.state.leases.get(name);
  const parts: unknown[] = [connected ? '' : heardAtMs - nowMs];
  if (wish) parts.push(world.cast.wishes.indexOf(wish), token === lease?.token, token === null);
  if (waiter) {
    const limits = waiter.limits.map(({ name: limit }) => [limit, passed(world, client, limit)]);
    parts.push(rank, waiter.blockedOn, limits);
  }
  if (wish && token === null) {
    const places = world.clients.map((other) => other.place).filter((other) => other !== null);
    const ahead = place && places.filter((other) => isBefore(other, place)).length;
    parts.push(ahead, place && Math.max(-1_001, place.atMs - nowMs), wish.timeoutMs && askedAtMs - nowMs);
  }
  if (lease) {
    const older = [...engine.state.leases.values()].filter((other) => other.token < lease.token).length;
    parts.push(older, engine.isValid(name, lease.token), [...lease.amounts]);
  }
  return parts.join(' ');
}

function passed(world: World, client: Client, limit: string): number {
  return Math.min(1, (world.grants.get(limit) ?? 0) - (client.grantsSeen.get(limit) ?? 0));
}

function describeLimit(world: World, name: string): string {
  const limit = world.stepper.engine.state.limits.get(name);
  return limit ? `${limit.settings.slots}${limit.settings.mode}` : '';
}

function movesOf(world: World, { name, connected, wish, token }: Client): string[] {
  const sessions = world.cast.turns.has('sessions');
  if (!connected) return [`${name} returns`, ...(wish ? [`${name} forgets`] : [])];
  if (!wish) return world.cast.wishes.map((_, i) => `${name} asks ${i}`);
  const own = token === null ? [`${name} cancels`] : [`${name} releases`];
  return sessions ? [...own, `${name} goes`, `${name} returns`, `${name} closes`] : own;
}

function turnsOf(world: World): string[] {
  const { turns, limits } = world.cast;
  const moves: string[] = [];
  for (const [name, slots] of limits) {
    const limit = world.stepper.engine.state.limits.get(name);
    if (!limit) {
      moves.push(`${name} made ${slots}`);
      continue;
    }
    const now = limit.settings.slots;
    if (turns.has('resize')) {
      for (const other of [slots - 1, slots, slots + 1]) if (other !== now) moves.push(`${name} resized ${other}`);
    }
    if (turns.has('pause')) moves.push(limit.settings.mode === 'open' ? `${name} paused` : `${name} resumed`);
    if (turns.has('delete')) moves.push(`${name} deleted`);
  }
  const hasDeadline = (turns.has('time') || world.heldBackUntilMs !== null) && world.deadlines().length > 0;
  if (hasDeadline) moves.push('time passes');
  if (turns.has('restart')) moves.push('server restarts');
  return moves;
}

function isBefore(a: Place, b: Place): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
