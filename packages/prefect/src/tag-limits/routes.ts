/** `/concurrency_limits`: Prefect's v1 API of tag limits. */
import { randomUUID } from 'node:crypto';
import { type Limit, type Refusal, slotsIn } from '@slotkeeper/engine';
import { locked, PrefectError, sendError, sendJson, unavailable, unknownTagLimit } from '../api/answers.ts';
import { permit } from '../api/authentication.ts';
import type { DurableAnswers } from '../api/durable-answers.ts';
import { activeOf, namesOf } from '../api/limit-lookup.ts';
import { readPage } from '../api/pages.ts';
import type { Call, Route } from '../api/routes.ts';
import type { HeldIncrements } from '../increments/held-increments.ts';
import { holdOpen } from '../increments/held-request.ts';
import {
  ASK_AGAIN_SECONDS,
  DRAINING_TEXT,
  namesToTake,
  type Outcome,
  queueFullText,
  RETRY_AFTER_SECONDS,
  refusedText,
} from '../increments/increment.ts';
import { listing } from '../increments/listing.ts';
import { orInvalid } from '../input/bodies.ts';
import { readTag } from '../input/names.ts';
import { uuid } from '../input/uuid.ts';
import { readCreate, readReset, readSlots } from './bodies.ts';
import { whatToRelease } from './decrement.ts';
import {
  limitName,
  limitsOn,
  type TagLimit,
  tagLimit,
  tagLimitById,
  tagLimitPage,
  tagOf,
  takenTag,
} from './tag-limit.ts';

const PATH = '/concurrency_limits';
const ID = ':id(^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$)';

export interface V1 {
  readonly answers: DurableAnswers;
  readonly increments: HeldIncrements;
  /** The time to live of leases. Null: they last until they are released. */
  readonly leaseMs: number | null;
}

export function v1Routes(v1: V1): readonly Route[] {
  const { answers } = v1;
  const byId = ({ params }: Call): Limit | undefined => tagLimitById(answers.state, String(uuid(params.id, [])));
  const byTag = ({ params, body }: Call): Limit | undefined =>
    answers.state.limits.get(limitName(orInvalid(readTag(params.tag, ['path', 'tag']), body)));
  return [
    { method: 'POST', path: `${PATH}/`, right: 'admin', handle: (call) => create(v1, call) },
    { method: 'POST', path: `${PATH}/filter`, right: 'read', handle: (call) => filter(v1, call) },
    { method: 'POST', path: `${PATH}/increment`, right: 'use', handle: (call) => increment(v1, call) },
    { method: 'POST', path: `${PATH}/decrement`, right: 'use', handle: (call) => decrement(v1, call) },
    { method: 'GET', path: `${PATH}/${ID}`, right: 'read', handle: (call) => read(v1, call, byId(call)) },
    { method: 'DELETE', path: `${PATH}/${ID}`, right: 'admin', handle: (call) => remove(v1, call, byId(call)) },
    { method: 'GET', path: `${PATH}/tag/:tag`, right: 'read', handle: (call) => read(v1, call, byTag(call)) },
    { method: 'DELETE', path: `${PATH}/tag/:tag`, right: 'admin', handle: (call) => remove(v1, call, byTag(call)) },
    { method: 'POST', path: `${PATH}/tag/:tag/reset`, right: 'admin', handle: (call) => reset(v1, call, byTag(call)) },
  ];
}

async function create({ answers }: V1, { body, reply, caller }: Call) {
  const { tag, concurrency_limit: slots } = orInvalid(readCreate(body), body);
  const name = limitName(tag);
  permit(caller, 'admin', [name]);
  const status = answers.state.limits.has(name) ? 200 : 201;
  let created: TagLimit | undefined;
  const set = answers.create({ type: 'limit.set', name, id: randomUUID(), patch: { slots }, by: caller.by });
  const limit = answers.isReady ? answers.state.limits.get(name) : undefined;
  if (limit) created = tagLimit(answers.host, limit);
  await set;
  return sendJson(reply, status, created);
}

async function read({ answers }: V1, { reply, caller }: Call, limit: Limit | undefined) {
  permit(caller, 'read', namesOf(limit));
  const found = await answers.once(limit && tagLimit(answers.host, limit));
  if (!found) throw unknownTagLimit();
  return sendJson(reply, 200, found);
}

async function filter({ answers }: V1, { body, reply, caller }: Call) {
  const { limit, offset } = orInvalid(readPage(body), body);
  const limits = tagLimitPage(answers.state, caller.key.prefix, offset, limit);
  return sendJson(reply, 200, await answers.once(limits.map((limit) => tagLimit(answers.host, limit))));
}

async function remove({ answers }: V1, { reply, caller }: Call, limit: Limit | undefined) {
  permit(caller, 'admin', namesOf(limit));
  if (!limit) throw await answers.once(unknownTagLimit());
  await answers.carryOut({ type: 'limit.delete', name: limit.name, force: true, by: caller.by });
  return sendJson(reply, 200, null);
}

async function reset({ answers, leaseMs }: V1, { body, reply, caller }: Call, limit: Limit | undefined) {
  permit(caller, 'admin', namesOf(limit));
  const { slot_override: taskRunIds } = orInvalid(readReset(body), body);
  if (!limit) throw await answers.once(unknownTagLimit());
  const { slots, active } = limit.settings;
  if (active && taskRunIds.length > slots) {
    const without = taskRunIds.slice(slots).join(', ');
    const detail = `The concurrency limit on tag "${tagOf(limit.name)}" is ${slots}: there is no slot for ${without}. Nothing has been changed.`;
    throw await answers.once(new PrefectError(422, { detail }));
  }
  const grants = taskRunIds.map((id) => ({
    leaseId: randomUUID(),
    sessionId: randomUUID(),
    ttlMs: leaseMs,
    holder: { type: 'task_run', id, label: null, host: null, pid: null },
  }));
  await answers.carryOut({ type: 'limit.reset', name: limit.name, grants, by: caller.by });
  return sendJson(reply, 200, null);
}

async function decrement({ answers, increments }: V1, { body, reply, caller }: Call) {
  const { names, task_run_id: taskRunId } = orInvalid(readSlots(body), body);
  const limits = limitsOn(answers.state, names);
  permit(caller, 'use', namesOf(...limits));
  const released = whatToRelease(answers.state, limits, taskRunId).map((release) => {
    increments.arrivedAs(release.leaseId);
    return answers.submit({ type: 'release', ...release });
  });
  const listed = answers.once(listing(activeOf(limits)).map(takenTag));
  await Promise.all([listed, ...released]);
  return sendJson(reply, 200, await listed);
}

async function increment({ answers, increments, leaseMs }: V1, { body, reply, caller }: Call) {
  const { names: given, task_run_id: id } = orInvalid(readSlots(body), body);
  const tags = namesToTake(answers.state, given.map(limitName)).map(tagOf);
  const limits = limitsOn(answers.state, tags);
  permit(caller, 'use', namesOf(...limits));
  const empty = limits.find(({ settings }) => settings.slots === 0);
  if (empty) throw await answers.once(neverFits(empty.name));
  if (activeOf(limits).length === 0) return sendJson(reply, 200, await answers.once([]));
  const asked = {
    kind: 'tag',
    names: tags.map(limitName),
    slots: 1,
    ratesOnly: false,
    holder: { type: 'task_run', id },
    ttlMs: leaseMs,
  } as const;
  return holdOpen(increments, reply, asked, (outcome) => answerIncrement(answers, tags, reply, outcome));
}

function answerIncrement(
  answers: DurableAnswers,
  tags: readonly string[],
  reply: Call['reply'],
  outcome: Exclude<Outcome, { is: 'unavailable' }>,
) {
  switch (outcome.is) {
    case 'granted': {
      const taken = outcome.limits.filter((limit) => slotsIn(outcome.amounts, limit.name) !== undefined);
      // A repeat may name the tags in another order than the increment whose grant it gets.
      const inOrder = tags.flatMap((tag) => taken.filter(({ name }) => name === limitName(tag)));
      return sendJson(reply, 200, inOrder.map(takenTag));
    }
    case 'full':
      void sendNotNow(answers, tags, reply);
      return;
    case 'refused':
      return sendError(reply, refused(outcome.refusal));
  }
}

// Refusals

/** The answer names the limit that is full now, so it is sent only once all that was decided so far is durable. */
async function sendNotNow(answers: DurableAnswers, tags: readonly string[], reply: Call['reply']): Promise<void> {
  try {
    sendError(reply, await answers.once(notNow(answers, tags)));
  } catch {
    sendError(reply, unavailable());
  }
}

function neverFits(name: string): PrefectError {
  return locked(`The concurrency limit on tag "${tagOf(name)}" is 0 and will deadlock if the task tries to run again.`);
}

/** Names a full limit. If none is full, the increment waits for those before it in the wait queue: then it names the first limit. */
function notNow(answers: DurableAnswers, tags: readonly string[]): PrefectError {
  const { engine, nowMs } = answers.host;
  const limits = activeOf(limitsOn(engine.state, tags));
  const full = limits.find((limit) => engine.activeSlots(limit, nowMs) >= limit.settings.slots) ?? limits[0];
  const detail = `Concurrency limit for the ${full ? tagOf(full.name) : ''} tag has been reached`;
  return locked(detail, RETRY_AFTER_SECONDS);
}

/** Without `Retry-After` the client gives up. */
function refused(refusal: Refusal): PrefectError {
  const { code, details } = refusal;
  if (code === 'REQUEST_TOO_LARGE') return neverFits(String(details.name));
  if (code === 'QUEUE_FULL') return locked(queueFullText(refusal), ASK_AGAIN_SECONDS);
  if (code === 'CONFLICT') return locked(DRAINING_TEXT, ASK_AGAIN_SECONDS);
  return locked(refusedText(refusal));
}
