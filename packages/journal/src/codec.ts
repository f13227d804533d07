/**
 * Facts as text and back: the one place that knows how a batch is written. Each fact is a JSON array: what it is, its
 * time, then its fields in a fixed order. A change of it is a new format (formats.ts).
 */
import type {
  Amounts,
  Fact,
  FactType,
  Holder,
  Lifeline,
  LimitMode,
  LimitSettings,
  Origin,
  ReleaseHow,
} from '@slotkeeper/engine';
import {
  count,
  countOrNull,
  flag,
  list,
  Malformed,
  ms,
  msOrNull,
  oneOf,
  positiveOrNull,
  text,
  textOrNull,
  tuple,
} from './fields.ts';

const MODES: readonly LimitMode[] = ['open', 'paused', 'draining'];
const LIFELINES: readonly Lifeline[] = ['heartbeat', 'renewal', 'process'];

const ORIGINS: readonly Origin[] = ['session', 'prefect-tag', 'prefect-lease', 'prefect-bare'];

const RELEASES: readonly ReleaseHow[] = ['returned', 'undone', 'untracked'];

const TAGS = {
  'limit.set': 'set',
  'limit.deleted': 'delete',
  'limit.renamed': 'rename',
  'untracked.set': 'occupy',
  'untracked.returned': 'return',
  'lease.granted': 'grant',
  'lease.renewed': 'renew',
  'lease.released': 'release',
  'lease.expired': 'expire',
  'lease.revoked': 'revoke',
} as const satisfies Record<FactType, string>;

export function encodeFacts(facts: readonly Fact[]): string {
  return JSON.stringify(facts.map(encodeFact));
}

function encodeFact(fact: Fact): readonly unknown[] {
  const tag = TAGS[fact.type];
  // JSON has no NaN: it would be written as null, acknowledged, and not be readable again.
  const at = ms(fact.at);
  switch (fact.type) {
    case 'limit.set':
      return [tag, at, fact.name, fact.id, ...encodeSettings(fact.settings)];
    case 'limit.deleted':
      return [tag, at, fact.name];
    case 'limit.renamed':
      return [tag, at, fact.name, fact.to];
    case 'untracked.set':
      return [tag, at, fact.name, count(fact.slots)];
    case 'untracked.returned':
      return [tag, at, fact.amounts];
    case 'lease.granted': {
      const { leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin } = fact;
      return [tag, at, leaseId, sessionId, lifeline, msOrNull(ttlMs), amounts, encodeHolder(holder), refunds, origin];
    }
    case 'lease.renewed':
      return [tag, at, fact.leaseId, msOrNull(fact.ttlMs)];
    case 'lease.released':
      return [tag, at, fact.leaseId, fact.names, fact.how];
    case 'lease.expired':
      return [tag, at, fact.leaseId];
    case 'lease.revoked':
      return [tag, at, fact.leaseId, fact.reason];
  }
}

/** @throws Malformed on anything that `encodeFacts` does not write. */
export function decodeFact(value: unknown): Fact {
  const fields = list(value);
  const [tag, time, ...rest] = fields;
  const at = ms(time);
  switch (tag) {
    case TAGS['limit.set']: {
      const [name, id, ...settings] = tuple(rest, 9);
      return { type: 'limit.set', at, name: text(name), id: text(id), settings: decodeSettings(settings) };
    }
    case TAGS['limit.deleted']:
      return { type: 'limit.deleted', at, name: text(tuple(rest, 1)[0]) };
    case TAGS['limit.renamed']: {
      const [name, to] = tuple(rest, 2);
      return { type: 'limit.renamed', at, name: text(name), to: text(to) };
    }
    case TAGS['untracked.set']: {
      const [name, slots] = tuple(rest, 2);
      return { type: 'untracked.set', at, name: text(name), slots: count(slots) };
    }
    case TAGS['untracked.returned']:
      return { type: 'untracked.returned', at, amounts: decodeAmounts(tuple(rest, 1)[0]) };
    case TAGS['lease.granted']: {
      const [leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin] = tuple(rest, 8);
      return {
        type: 'lease.granted',
        at,
        leaseId: text(leaseId),
        sessionId: text(sessionId),
        lifeline: oneOf(LIFELINES, lifeline),
        ttlMs: msOrNull(ttlMs),
        amounts: decodeAmounts(amounts),
        holder: decodeHolder(holder),
        refunds: flag(refunds),
        origin: decodeOrigin(origin),
      };
    }
    case TAGS['lease.renewed']: {
      const [lease, ttlMs] = tuple(rest, 2);
      return { type: 'lease.renewed', at, leaseId: text(lease), ttlMs: msOrNull(ttlMs) };
    }
    case TAGS['lease.released']: {
      const [lease, names, how] = tuple(rest, 3);
      return {
        type: 'lease.released',
        at,
        leaseId: text(lease),
        names: names === null ? null : list(names).map(text),
        how: oneOf(RELEASES, how),
      };
    }
    case TAGS['lease.expired']:
      return { type: 'lease.expired', at, leaseId: text(tuple(rest, 1)[0]) };
    case TAGS['lease.revoked']: {
      const [lease, reason] = tuple(rest, 2);
      return { type: 'lease.revoked', at, leaseId: text(lease), reason: text(reason) };
    }
    default:
      throw new Malformed(`it has a fact of the unknown kind ${JSON.stringify(tag)}`);
  }
}

/** Snapshots have settings, holders, amounts, lifelines and origins in the same form. */
export function encodeSettings(settings: LimitSettings): readonly unknown[] {
  const { slots, slotDecayPerSecond, active, mode, overtakes, maxWaiters, description } = settings;
  const decay = positiveOrNull(slotDecayPerSecond);
  return [count(slots), decay, active, mode, count(overtakes), countOrNull(maxWaiters), description];
}

export function decodeSettings(value: unknown): LimitSettings {
  const [slots, slotDecayPerSecond, active, mode, overtakes, maxWaiters, description] = tuple(value, 7);
  return {
    slots: count(slots),
    slotDecayPerSecond: positiveOrNull(slotDecayPerSecond),
    active: flag(active),
    mode: oneOf(MODES, mode),
    overtakes: count(overtakes),
    maxWaiters: countOrNull(maxWaiters),
    description: textOrNull(description),
  };
}

export function encodeHolder({ type, id, label, host, pid }: Holder): readonly unknown[] {
  return [type, id, label, host, countOrNull(pid)];
}

export function decodeHolder(value: unknown): Holder {
  const [type, id, label, host, pid] = tuple(value, 5);
  return {
    type: textOrNull(type),
    id: textOrNull(id),
    label: textOrNull(label),
    host: textOrNull(host),
    pid: countOrNull(pid),
  };
}

export function decodeAmounts(value: unknown): Amounts {
  return list(value).map((pair) => {
    const [name, slots] = tuple(pair, 2);
    return [text(name), count(slots)] as const;
  });
}

export function decodeLifeline(value: unknown): Lifeline {
  return oneOf(LIFELINES, value);
}

export function decodeOrigin(value: unknown): Origin {
  return oneOf(ORIGINS, value);
}
