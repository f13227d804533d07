/** `/v2/concurrency_limits`: the routes that create, read, change and delete global limits. */
import { randomUUID } from 'node:crypto';
import type { Command, Limit, LimitPatch } from '@slotkeeper/engine';
import { nameTaken, sendJson, sendNothing, unknownLimit } from '../api/answers.ts';
import { permit } from '../api/authentication.ts';
import { limitPage, namesOf } from '../api/limit-lookup.ts';
import { readPage } from '../api/pages.ts';
import type { Call, Route } from '../api/routes.ts';
import { orInvalid } from '../input/bodies.ts';
import { Faults } from '../input/faults.ts';
import { readName } from '../input/names.ts';
import { uuid } from '../input/uuid.ts';
import { readCreate, readPatch } from './bodies.ts';
import { globalLimit } from './global-limit.ts';
import { decrement, increment, incrementWithLease, releaseLease, renewLease, type V2 } from './slots.ts';

const PATH = '/v2/concurrency_limits';
/** The last parts of paths that only POST has. For any other method they would be names of limits. */
const CALLS = ['filter', 'increment', 'increment-with-lease', 'decrement', 'decrement-with-lease'] as const;
/** Prefect's server shows this figure for a new limit. */
const AVERAGE_OCCUPANCY_SECONDS = 2;

export function v2Routes(v2: V2): readonly Route[] {
  return [
    ...CALLS.flatMap((name) => onOneLimit(v2, `${PATH}/${name}`, () => name)),
    { method: 'POST', path: `${PATH}/`, right: 'admin', handle: (call) => create(v2, call) },
    { method: 'POST', path: `${PATH}/filter`, right: 'read', handle: (call) => filter(v2, call) },
    { method: 'POST', path: `${PATH}/increment`, right: 'use', handle: (call) => increment(v2, call) },
    {
      method: 'POST',
      path: `${PATH}/increment-with-lease`,
      right: 'use',
      handle: (call) => incrementWithLease(v2, call),
    },
    { method: 'POST', path: `${PATH}/decrement`, right: 'use', handle: (call) => decrement(v2, call) },
    { method: 'POST', path: `${PATH}/decrement-with-lease`, right: 'use', handle: (call) => releaseLease(v2, call) },
    { method: 'POST', path: `${PATH}/leases/:lease_id/renew`, right: 'use', handle: (call) => renewLease(v2, call) },
    ...onOneLimit(v2, `${PATH}/:id_or_name`, ({ params }) => params.id_or_name!),
  ];
}

function onOneLimit(v2: V2, path: string, idOrName: (call: Call) => string): Route[] {
  const named = (call: Call): Limit | undefined => {
    const text = idOrName(call);
    const { state } = v2.answers;
    const id = uuid(text, []);
    const byId = id instanceof Faults ? undefined : state.limits.withId(id);
    return byId ?? state.limits.get(orInvalid(readName(text, ['path', 'id_or_name']), call.body));
  };
  return [
    { method: 'GET', path, right: 'read', handle: (call) => read(v2, call, named(call)) },
    { method: 'PATCH', path, right: 'admin', handle: (call) => change(v2, call, named(call)) },
    { method: 'DELETE', path, right: 'admin', handle: (call) => remove(v2, call, named(call)) },
  ];
}

async function create({ answers }: V2, { body, reply, caller }: Call) {
  const given = orInvalid(readCreate(body), body);
  const { name, active_slots: occupied } = given;
  permit(caller, 'admin', [name]);
  const { by } = caller;
  if (answers.state.limits.has(name)) throw await answers.once(nameTaken());
  const ensured = answers.create({ type: 'limit.ensure', name, id: randomUUID(), patch: patchOf(given), by });
  const limit = answers.isReady ? answers.state.limits.get(name) : undefined;
  const set = limit && occupied > 0 && answers.carryOut({ type: 'untracked.set', name, slots: occupied, by });
  const created = limit && answers.isReady && globalLimit(answers.host, limit);
  await Promise.all([ensured, set]);
  const more = { denied_slots: given.denied_slots, avg_slot_occupancy_seconds: AVERAGE_OCCUPANCY_SECONDS };
  return sendJson(reply, 201, { ...created, ...more });
}

async function read({ answers }: V2, { reply, caller }: Call, limit: Limit | undefined) {
  permit(caller, 'read', namesOf(limit));
  const found = await answers.once(limit && globalLimit(answers.host, limit));
  if (!found) throw unknownLimit();
  return sendJson(reply, 200, found);
}

async function filter({ answers }: V2, { body, reply, caller }: Call) {
  const { limit, offset } = orInvalid(readPage(body), body);
  const limits = limitPage(answers.state, caller.key.prefix, offset, limit);
  return sendJson(reply, 200, await answers.once(limits.map((limit) => globalLimit(answers.host, limit))));
}

async function remove({ answers }: V2, { reply, caller }: Call, limit: Limit | undefined) {
  permit(caller, 'admin', namesOf(limit));
  if (!limit) throw await answers.once(unknownLimit());
  await answers.carryOut({ type: 'limit.delete', name: limit.name, force: true, by: caller.by });
  return sendNothing(reply);
}

/** Changes all or nothing: it checks everything that could be refused before it changes anything. */
async function change({ answers, increments }: V2, { body, reply, caller }: Call, limit: Limit | undefined) {
  const given = orInvalid(readPatch(body), body);
  permit(caller, 'admin', [...namesOf(limit), ...(given.name === undefined ? [] : [given.name])]);
  if (!limit) throw await answers.once(unknownLimit());
  const name = given.name ?? limit.name;
  if (name !== limit.name && answers.state.limits.has(name)) throw await answers.once(nameTaken());
  const commands: Command[] = [];
  if (name !== limit.name) commands.push({ type: 'limit.rename', name: limit.name, to: name });
  commands.push({ type: 'limit.set', name, id: limit.id, patch: patchOf(given) });
  if (given.active_slots !== undefined) {
    increments.arrivedOn(limit, Number.POSITIVE_INFINITY);
    commands.push(occupied(name, given.active_slots));
  }
  await Promise.all(commands.map((command) => answers.carryOut({ ...command, by: caller.by })));
  return sendNothing(reply);
}

/** "Reset" in the web interface and `gcl update --active-slots 0` send 0: every lease on the limit is revoked. */
function occupied(name: string, slots: number): Command {
  return slots === 0 ? { type: 'limit.reset', name, grants: [] } : { type: 'untracked.set', name, slots };
}

interface Settings {
  readonly active: boolean | undefined;
  readonly limit: number | undefined;
  readonly slot_decay_per_second: number | undefined;
}

function patchOf({ active, limit, slot_decay_per_second: decay }: Settings): LimitPatch {
  return {
    ...(active !== undefined && { active }),
    ...(limit !== undefined && { slots: limit }),
    // Without a decay the limit is a semaphore.
    ...(decay !== undefined && { slotDecayPerSecond: decay === 0 ? null : decay }),
  };
}
