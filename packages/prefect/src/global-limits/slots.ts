/** The routes that take and return slots of global limits, with a lease or without. */
import { type Lease, type Limit, type Refusal, slotsIn } from '@slotkeeper/engine';
import { SLOTS_MAX } from '@slotkeeper/protocol';
import {
  leaseGone,
  locked,
  PrefectError,
  sendError,
  sendJson,
  sendNothing,
  sendNothingOfUnknownLease,
} from '../api/answers.ts';
import { permit } from '../api/authentication.ts';
import type { DurableAnswers } from '../api/durable-answers.ts';
import { activeOf, byName, limitsNamed, namesOf } from '../api/limit-lookup.ts';
import type { Call } from '../api/routes.ts';
import type { ToldVersion } from '../api/versions.ts';
import type { HeldIncrements } from '../increments/held-increments.ts';
import { holdOpen, type Unsent } from '../increments/held-request.ts';
import {
  ASK_AGAIN_SECONDS,
  DRAINING_TEXT,
  isOfKind,
  namesToTake,
  type Outcome,
  queueFullText,
  RETRY_AFTER_SECONDS,
  refusedText,
} from '../increments/increment.ts';
import { type ListedLimit, listing } from '../increments/listing.ts';
import { orInvalid, together } from '../input/bodies.ts';
import { uuid } from '../input/uuid.ts';
import { namingCallsOf, readLeaseDecrement, readRenew } from './bodies.ts';
import { takenLimit } from './global-limit.ts';

export interface V2 {
  readonly answers: DurableAnswers;
  readonly increments: HeldIncrements;
  /** What the client of a call takes this server for. */
  readonly version: ToldVersion;
}

type Granted = Extract<Outcome, { is: 'granted' }>;

export async function increment(v2: V2, call: Call) {
  const { slots, mode, ...given } = orInvalid(naming(v2, call).readIncrement(call.body), call.body);
  const names = namesToTake(v2.answers.state, given.names);
  const asked = { kind: 'bare', names, slots, ratesOnly: mode === 'rate_limit', holder: null, ttlMs: null } as const;
  const { answers } = v2;
  const { reply } = call;
  const limits = limitsNamed(answers.state, names);
  permit(call.caller, 'use', namesOf(...limits));
  if (activeOf(limits).length === 0) return sendJson(reply, 200, await answers.once(listed(listing(limits))));
  return take(v2, call, asked, (granted) => sendJson(reply, 200, takenBy(granted)));
}

/** Where none of the names has a limit, it grants a lease on nothing. */
export async function incrementWithLease(v2: V2, call: Call) {
  const given = orInvalid(naming(v2, call).readLeaseIncrement(call.body), call.body);
  const { slots, mode, holder = null, lease_duration: leaseSeconds } = given;
  const names = namesToTake(v2.answers.state, given.names);
  const ttlMs = Math.round(leaseSeconds * 1_000);
  const asked = { kind: 'leased', names, slots, ratesOnly: mode === 'rate_limit', holder, ttlMs } as const;
  return take(v2, call, asked, (granted) =>
    sendJson(call.reply, 200, { lease_id: granted.leaseId, limits: takenBy(granted) }),
  );
}

/** Answers now, or holds the request open until the slots are granted. */
async function take(
  { answers, increments }: V2,
  { reply, caller }: Call,
  increment: Unsent,
  answerGranted: (granted: Granted) => unknown,
) {
  const { names, slots, ratesOnly } = increment;
  const limits = limitsNamed(answers.state, names);
  permit(caller, 'use', namesOf(...limits));
  const impossible = neverFits(activeOf(limits), slots, ratesOnly);
  if (impossible) throw await answers.once(impossible);
  // No limit has more slots than SLOTS_MAX, so a greater number has passed the check above only if no limit is active.
  const capped = { ...increment, slots: Math.min(slots, SLOTS_MAX) };
  return holdOpen(increments, reply, capped, (outcome) => {
    switch (outcome.is) {
      case 'granted':
        answerGranted(outcome);
        return;
      case 'full':
        sendError(reply, locked('Locked', RETRY_AFTER_SECONDS));
        return;
      case 'refused':
        sendError(reply, refused(outcome.refusal));
    }
  });
}

/** The limits that the answer lists: those that were granted, and those that are inactive and so limit nothing. */
function takenBy({ amounts, limits }: Granted) {
  return listed(limits.filter(({ name, active }) => !active || slotsIn(amounts, name) !== undefined));
}

function listed(limits: readonly ListedLimit[]) {
  return byName(limits).map(takenLimit);
}

/** Returns untracked slots. Slots that a lease holds stay taken. */
export async function decrement(v2: V2, call: Call) {
  const { answers, increments } = v2;
  const { body, reply, caller } = call;
  const { names, slots: given } = orInvalid(naming(v2, call).readDecrement(body), body);
  const slots = Math.min(given, SLOTS_MAX);
  const limits = limitsNamed(answers.state, names);
  permit(caller, 'use', namesOf(...limits));
  for (const limit of limits) increments.arrivedOn(limit, slots);
  const returned = answers.submit({ type: 'untracked.return', amounts: limits.map(({ name }) => [name, slots]) });
  const shown = listed(listing(limits));
  await returned;
  return sendJson(reply, 200, shown);
}

export async function releaseLease(v2: V2, { body, reply, caller }: Call) {
  const { lease_id: id } = orInvalid(readLeaseDecrement(body), body);
  const { answers } = v2;
  const lease = leased(v2, id);
  if (!lease) {
    await answers.once(null);
    return sendNothingOfUnknownLease(reply);
  }
  permit(caller, 'use', limitsOf(lease));
  await answers.submit({ type: 'release', leaseId: id, token: lease.token });
  return sendNothing(reply);
}

export async function renewLease(v2: V2, { body, params, reply, caller }: Call) {
  const { answers } = v2;
  const read = together(uuid(params.lease_id, ['path', 'lease_id']), readRenew(body));
  const [id, { lease_duration: leaseSeconds }] = orInvalid(read, body);
  const lease = leased(v2, id);
  if (!lease) throw await answers.once(leaseGone());
  permit(caller, 'use', limitsOf(lease));
  const refusal = await answers.submit({ type: 'renew', leaseId: id, ttlMs: Math.round(leaseSeconds * 1_000) });
  if (refusal) throw leaseGone();
  return sendNothing(reply);
}

function limitsOf({ amounts }: Lease): readonly string[] {
  return amounts.map(([name]) => name);
}

/** The lease with this id, if it was granted by `increment-with-lease`: no other lease is returned or renewed here. */
function leased({ answers, increments }: V2, id: string): Lease | undefined {
  const lease = answers.state.leases.get(id);
  if (!lease || !isOfKind('leased', lease)) return undefined;
  increments.arrivedAs(id);
  return lease;
}

function naming({ version }: V2, { reply }: Call): ReturnType<typeof namingCallsOf> {
  return namingCallsOf(version(reply.request.headers['user-agent']));
}

// Refusals

function neverFits(active: readonly Limit[], slots: number, ratesOnly: boolean): PrefectError | undefined {
  if (active.some(({ settings }) => slots > settings.slots)) return tooLarge();
  const semaphores = active.filter(({ settings }) => settings.slotDecayPerSecond === null);
  return ratesOnly && semaphores.length > 0 ? noRates(semaphores.map(({ name }) => name)) : undefined;
}

const tooLarge = (): PrefectError => new PrefectError(422, { detail: 'Slots requested is greater than the limit' });

function noRates(names: readonly string[]): PrefectError {
  const detail = `Only concurrency limits with slot decay can be used for rate limiting. The following limits do not have a decay configured: '${names.join(',')}'`;
  return new PrefectError(422, { detail });
}

/** The answer to an increment that can no longer be granted, since its limits were changed while it waited. */
function refused(refusal: Refusal): PrefectError {
  const { code, details } = refusal;
  switch (code) {
    case 'REQUEST_TOO_LARGE':
      return tooLarge();
    case 'INVALID_REQUEST':
      return noRates(details.names as readonly string[]);
    case 'QUEUE_FULL':
      return locked(queueFullText(refusal), ASK_AGAIN_SECONDS);
    case 'CONFLICT':
      return locked(DRAINING_TEXT, ASK_AGAIN_SECONDS);
    default:
      return new PrefectError(422, { detail: refusedText(refusal) });
  }
}
