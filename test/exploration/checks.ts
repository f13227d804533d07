/** What must be so in every state of an exploration, and what must come of it. */
import { room } from '../../packages/engine/test/audit.ts';
import { firstToGrant, type PlainLimit, type PlainWaiter } from '../../packages/engine/test/plain-wait-queue.ts';
import type { World } from './world.ts';

/** What must be so in every state: above all that nobody waits who could be granted. */
export function check(world: World): void {
  world.stepper.check(world.heldBackUntilMs !== null);
  if (world.heldBackUntilMs === null) checkLine(world);
}

/** The plain scan of the line finds nobody to grant, and everybody parked where the engine has them. */
function checkLine(world: World): void {
  const { engine } = world.stepper;
  const views = engine.waiters(null);
  const waiters = views.map((view): PlainWaiter => {
    const client = world.clients.find(({ name }) => name === view.ticket)!;
    return {
      lease: view.ticket,
      amounts: view.limits.map(({ name, slots }) => [name, slots]),
      place: view.place,
      connected: view.connected,
      isTry: false,
      parkedOn: view.blockedOn,
      grantsSeen: client.grantsSeen,
    };
  });
  const limitOf = (name: string): PlainLimit => {
    const { slots, active, mode, overtakes } = engine.state.limits.get(name)!.settings;
    return { name, slots, active, mode, overtakes, grants: world.grants.get(name) ?? 0 };
  };
  const granted = firstToGrant(waiters, limitOf, ({ name }) => room(engine, name));
  if (granted) throw new Error(`${granted.lease} waits, though it could be granted`);
  for (const [i, { lease, parkedOn }] of waiters.entries()) {
    const { blockedOn } = views[i]!;
    if (parkedOn !== blockedOn) throw new Error(`${lease} is parked on ${blockedOn}, and should be on ${parkedOn}`);
  }
}

/**
 * All limits are open, all clients come back, all holders let go, what is taken without a lease is given back, and time passes:
 * everybody is served, and nothing remains.
 */
export function drain(world: World): void {
  const { engine } = world.stepper;
  for (const { name, settings } of engine.state.limits.values()) {
    if (settings.mode !== 'open') world.do(`${name} resumed`);
  }
  for (const client of world.clients) if (!client.connected) world.do(`${client.name} returns`);
  while (world.heldBackUntilMs !== null) world.do('time passes');
  for (const { name, usage } of engine.state.limits.values()) world.do(`${name} occupied ${usage.held}`);
  for (let rounds = 0; world.clients.some(({ ask }) => ask); rounds++) {
    const holder = world.clients.find(({ token }) => token !== null);
    if (holder) world.do(`${holder.name} releases`);
    else if (rounds < ROUNDS_MAX && rates(world)) world.do('time refills');
    else throw new Error(`all let go, and ${unserved(world).join(', ')} still wait`);
  }
  const left = [
    ...[...engine.state.leases.values()].map(({ id }) => id),
    ...engine.waiters(null).map(({ ticket }) => ticket),
  ];
  if (left.length > 0) throw new Error(`all let go, and ${left.join(', ')} remain`);
  for (const { name, usage } of engine.state.limits.values()) {
    if (usage.kind === 'rate' || usage.taken === 0) continue;
    throw new Error(`all let go, and ${usage.taken} of ${name} remain taken`);
  }
}

/** Enough for all that a cast can take of rates to come back. */
const ROUNDS_MAX = 100;

function rates(world: World): boolean {
  return [...world.stepper.engine.state.limits.values()].some(({ settings }) => settings.slotDecayPerSecond !== null);
}

function unserved(world: World): string[] {
  return world.clients.filter(({ ask, token }) => ask && token === null).map(({ name }) => name);
}
