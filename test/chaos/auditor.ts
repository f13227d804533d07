/**
 * The auditor: a second, dumber opinion. It knows nothing of the engine. It is given what the clients saw and what the
 * journal holds, as plain data, and says what of the promises was broken.
 *
 * A client counts on its slots from the moment it receives the grant until it begins to give them back, its signal aborts,
 * or it is killed. One that could not run for half its time to live has not counted on them since: what it does as it
 * wakes, before it can know, is what fencing tokens are for.
 */
import type { Amounts, Observation } from './observation.ts';

/** A fact of the journal, as far as the auditor reads it. */
export interface JournalFact {
  readonly type: string;
  readonly leaseId?: string;
  readonly amounts?: readonly (readonly [name: string, slots: number])[];
}

export interface Evidence {
  /** How many slots each limit has, all the time. */
  readonly slots: Amounts;
  readonly ttlMs: number;
  /** What each client saw, in order. */
  readonly clients: ReadonlyMap<string, readonly Observation[]>;
  /** All of the journal at the end; the fact at index 0 has position 1. */
  readonly journal: readonly JournalFact[];
  /** How many facts the journal had each time that the server was down, and when that was, in order. */
  readonly restarts: readonly { readonly atMs: number; readonly position: number }[];
}

export interface Verdict {
  readonly grants: number;
  /** Grants and acknowledged releases. */
  readonly operations: number;
  /** Acknowledged, and not in the journal. */
  readonly lost: readonly string[];
  /** Moments at which more slots were counted on than a limit has. */
  readonly above: readonly string[];
  /** What else was promised and not kept. */
  readonly broken: readonly string[];
}

/** One call of one client, from what it asked for to its end. */
interface Call {
  readonly name: string;
  readonly client: string;
  readonly amounts: Amounts;
  readonly askedAtMs: number;
  granted?: { readonly atMs: number; readonly lease: string; readonly token: number; readonly amounts: Amounts };
  /** It counts on its slots no longer. */
  endedAtMs?: number;
  releasedAtMs?: number;
  /** Given up, failed, released, lost or killed: nothing more is to come. */
  isOver?: boolean;
  failure?: string;
}

export function audit(evidence: Evidence): Verdict {
  const calls = [...evidence.clients].flatMap(([client, seen]) => callsOf(client, seen, evidence.ttlMs));
  const granted = calls.filter((call) => call.granted).length;
  const released = calls.filter((call) => call.releasedAtMs !== undefined).length;
  return {
    grants: granted,
    operations: granted + released,
    lost: lostFacts(calls, evidence),
    above: momentsAbove(calls, evidence.slots),
    broken: [...unserved(calls), ...fallenTokens(calls), ...brokenJournal(evidence)],
  };
}

function callsOf(client: string, seen: readonly Observation[], ttlMs: number): Call[] {
  const calls = new Map<string, Call>();
  for (const observation of seen) {
    const { atMs, type } = observation;
    if (type === 'stalled') {
      if (atMs - observation.sinceMs < ttlMs / 2) continue;
      for (const call of calls.values()) if (call.granted) call.endedAtMs ??= observation.sinceMs;
    } else if (type === 'asked') {
      const { call: name, amounts } = observation;
      calls.set(name, { name, client, amounts, askedAtMs: atMs });
    } else if (type !== 'killed') {
      follow(calls.get(observation.call) as Call, observation);
    }
  }
  // It is written down before it is done: what the process did in that moment is over, too.
  const killed = seen.find(({ type }) => type === 'killed');
  if (killed) {
    for (const call of calls.values()) {
      call.endedAtMs ??= killed.atMs;
      call.isOver = true;
    }
  }
  return [...calls.values()];
}

function follow(call: Call, observation: Exclude<Observation, { type: 'asked' | 'stalled' | 'killed' }>): void {
  const { atMs, type } = observation;
  switch (type) {
    case 'granted':
      call.granted = observation;
      return;
    case 'releasing':
      call.endedAtMs ??= atMs;
      return;
    case 'released':
      if (observation.acknowledged) call.releasedAtMs = atMs;
      break;
    case 'lost':
      call.endedAtMs ??= atMs;
      break;
    case 'failed':
      call.failure = observation.reason;
      break;
    case 'given-up':
      break;
  }
  call.isOver = true;
}

function momentsAbove(calls: readonly Call[], slots: Amounts): string[] {
  const changes = calls.flatMap(({ client, name, granted, endedAtMs = Number.POSITIVE_INFINITY }) => {
    if (!granted || endedAtMs <= granted.atMs) return [];
    const who = `${client}, call ${name}`;
    return Object.entries(granted.amounts).flatMap(([limit, count]) => [
      { atMs: granted.atMs, limit, count, who },
      { atMs: endedAtMs, limit, count: -count, who },
    ]);
  });
  changes.sort((a, b) => a.atMs - b.atMs || a.count - b.count);
  const above: string[] = [];
  const holders = new Map<string, Map<string, number>>();
  for (const { atMs, limit, count, who } of changes) {
    const holding = holders.get(limit) ?? new Map<string, number>();
    holders.set(limit, holding);
    if (count < 0) holding.delete(who);
    else holding.set(who, count);
    const taken = [...holding.values()].reduce((sum, held) => sum + held, 0);
    if (count > 0 && taken > (slots[limit] as number))
      above.push(
        `at ${atMs.toFixed(3)} ms ${taken} of ${slots[limit]} of '${limit}': ${[...holding.keys()].join('; ')}`,
      );
  }
  return above;
}

function lostFacts(calls: readonly Call[], { journal, restarts }: Evidence): string[] {
  const ends = new Map<string, number>();
  for (const [index, { type, leaseId: lease = '' }] of journal.entries()) if (isEnd(type)) ends.set(lease, index + 1);
  /** What was acknowledged by then was in the journal at the next restart. */
  const positionsBy = (atMs: number): number =>
    restarts.find((restart) => restart.atMs > atMs)?.position ?? journal.length;
  return calls.flatMap(({ name, client, granted, releasedAtMs }) => {
    if (!granted) return [];
    const { lease, token, amounts, atMs } = granted;
    const fact = journal[token - 1];
    const isThere = fact?.type === 'lease.granted' && fact.leaseId === lease && token <= positionsBy(atMs);
    const sameAmounts = isThere && sameSlots(Object.fromEntries(fact.amounts ?? []), amounts);
    const lost: string[] = [];
    if (!sameAmounts) lost.push(`grant ${token} of ${client}, call ${name}; there is ${JSON.stringify(fact)}`);
    if (releasedAtMs !== undefined && (ends.get(lease) ?? Number.POSITIVE_INFINITY) > positionsBy(releasedAtMs))
      lost.push(`release of grant ${token} of ${client}, call ${name}`);
    return lost;
  });
}

/** After the faults everybody is to be served. Nobody may be refused. */
function unserved(calls: readonly Call[]): string[] {
  return calls.flatMap(({ name, client, isOver, failure, amounts, granted }) => {
    const who = `${client}, call ${name} for ${JSON.stringify(amounts)}`;
    if (failure !== undefined) return [`${who} failed: ${failure}`];
    return isOver ? [] : [`${who} ${granted ? 'never gave back what it was granted' : 'was never served'}`];
  });
}

/** Who asked after another had been granted has a greater token. And no token is given twice. */
function fallenTokens(calls: readonly Call[]): string[] {
  const grants = calls
    .filter((call) => call.granted)
    .map((call) => ({ ...call, granted: call.granted as NonNullable<Call['granted']> }));
  const byGrant = grants.toSorted((a, b) => a.granted.atMs - b.granted.atMs);
  const tokens = new Set<number>();
  const broken: string[] = [];
  let greatest = 0;
  let next = 0;
  for (const { name, client, askedAtMs, granted } of grants.toSorted((a, b) => a.askedAtMs - b.askedAtMs)) {
    for (; (byGrant[next]?.granted.atMs ?? Number.POSITIVE_INFINITY) < askedAtMs; next += 1)
      greatest = Math.max(greatest, byGrant[next]?.granted.token ?? 0);
    if (granted.token <= greatest)
      broken.push(`token ${granted.token} of ${client}, call ${name}, is not above ${greatest}`);
    if (tokens.has(granted.token)) broken.push(`token ${granted.token} was given twice`);
    tokens.add(granted.token);
  }
  return broken;
}

/** Fact by fact: never above a limit, each lease granted once and given back once, and none left at the end. */
function brokenJournal({ journal, slots }: Evidence): string[] {
  const broken: string[] = [];
  const taken = new Map<string, number>();
  const held = new Map<string, NonNullable<JournalFact['amounts']>>();
  const givenBack = new Set<string>();
  for (const [index, { type, leaseId: lease = '', amounts = [] }] of journal.entries()) {
    const what = `fact ${index + 1}, ${type} of lease ${lease},`;
    if (type === 'lease.granted') {
      // A lease that expired before its client received it may be acquired again.
      if (held.has(lease) || givenBack.has(lease)) broken.push(`${what} is of one that was granted before`);
      held.set(lease, amounts);
      for (const [name, count] of amounts) {
        const sum = (taken.get(name) ?? 0) + count;
        taken.set(name, sum);
        if (sum > (slots[name] as number)) broken.push(`${what} takes '${name}' to ${sum} of ${slots[name]}`);
      }
    } else if (isEnd(type)) {
      const amountsBack = held.get(lease);
      if (!amountsBack) broken.push(`${what} is of one that is not held`);
      for (const [name, count] of amountsBack ?? []) taken.set(name, (taken.get(name) ?? 0) - count);
      held.delete(lease);
      if (type !== 'lease.expired') givenBack.add(lease);
    }
  }
  for (const lease of held.keys()) broken.push(`lease ${lease} is held at the end, and has no holder`);
  return broken;
}

function isEnd(type: string): boolean {
  return type === 'lease.released' || type === 'lease.expired' || type === 'lease.revoked';
}

function sameSlots(a: Amounts, b: Amounts): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
