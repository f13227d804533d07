/**
 * Every refusal of the engine is made here and nowhere else. A refusal is a result; a broken invariant throws. It states what
 * happened, with the values seen. The client, the command and Prefect's API add what to do, in their user's words.
 */
import type { Explanation } from './explain.ts';
import type { LimitTable } from './limit-table.ts';
import { spelled } from './look-alike.ts';

export type RefusalCode =
  | 'ACQUIRE_TIMEOUT'
  | 'LIMIT_NOT_FOUND'
  | 'REQUEST_TOO_LARGE'
  | 'QUEUE_FULL'
  | 'CONFLICT'
  | 'INVALID_REQUEST'
  | 'LEASE_LOST'
  | 'LEASE_REVOKED';

/** These three fields go over the wire and into the client's errors. `details` has the values seen, for programs. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function timedOut(timeoutMs: number, explanation: Explanation): Refusal {
  const when =
    timeoutMs === 0 ? 'The slots were not free at once' : `The slots were not granted within ${timeoutMs / 1000} s`;
  return {
    code: 'ACQUIRE_TIMEOUT',
    message: `${when}: ${explanation.text}`,
    details: { timeoutMs, explanation },
  };
}

/** `limits`: those there are. One of them may look the same as a name that is none of theirs. */
export function notFound(names: readonly string[], limits: Pick<LimitTable, 'lookAlike'>): Refusal {
  const lookAlikes = names.flatMap((name) => {
    const other = limits.lookAlike(name);
    return other === undefined ? [] : [[name, other] as const];
  });
  const list = names.map((name) => `'${name}'`).join(', ');
  const missing = names.length === 1 ? `There is no limit named ${list}.` : `There are no limits named ${list}.`;
  const sentences = lookAlikes.map(
    ([name, other]) => `'${spelled(name)}' looks the same as '${spelled(other)}', which there is.`,
  );
  return {
    code: 'LIMIT_NOT_FOUND',
    message: [missing, ...sentences].join(' '),
    details: lookAlikes.length === 0 ? { names } : { names, lookAlikes: lookAlikes.map(([, other]) => other) },
  };
}

/** The refusal of a name that people could not distinguish from an existing one. */
export function looksTheSame(name: string, existing: string): Refusal {
  return {
    code: 'CONFLICT',
    message: `A limit named '${spelled(name)}' would look the same as '${spelled(existing)}', which there is.`,
    details: { name, lookAlike: existing },
  };
}

export function notCreated(names: readonly string[]): Refusal {
  const list = names.map((name) => `'${name}'`).join(', ');
  return {
    code: 'LIMIT_NOT_FOUND',
    message: `There is no limit named ${list}, and this server creates none for clients.`,
    details: { names, creates: false },
  };
}

export function tooLarge(name: string, wanted: number, slots: number): Refusal {
  return {
    code: 'REQUEST_TOO_LARGE',
    message: `${wanted} of '${name}' can never be granted: it has ${slots}.`,
    details: { name, wanted, slots },
  };
}

export function notRates(names: readonly string[]): Refusal {
  const list = names.map((name) => `'${name}'`).join(', ');
  const what = names.length === 1 ? `${list} is no rate: its slots` : `${list} are no rates: their slots`;
  return {
    code: 'INVALID_REQUEST',
    message: `${what} come back only as they are given back.`,
    details: { names, field: 'limits' },
  };
}

export function nameInUse(name: string): Refusal {
  return {
    code: 'CONFLICT',
    message: `There is a limit named '${name}' already.`,
    details: { name },
  };
}

export function queueFull(what: string, max: number, details: Readonly<Record<string, unknown>> = {}): Refusal {
  return {
    code: 'QUEUE_FULL',
    message: `No room for another one: ${what} may be ${max} at the most.`,
    details: { ...details, max },
  };
}

export function draining(name: string): Refusal {
  return {
    code: 'CONFLICT',
    message: `Limit '${name}' is draining: it takes no new work until it is resumed.`,
    details: { name, mode: 'draining' },
  };
}

export function resumed(name: string): Refusal {
  return {
    code: 'CONFLICT',
    message: `Limit '${name}' was resumed before the last of its holders had left.`,
    details: { name, mode: 'open' },
  };
}

export function leaseIdInUse(lease: string): Refusal {
  return {
    code: 'CONFLICT',
    message: `Lease id ${lease} belongs to another acquire.`,
    details: { lease },
  };
}

export function staleConnection(connection: number, last: number): Refusal {
  return {
    code: 'CONFLICT',
    message: `Connection ${connection} of this session comes after ${last}. A later connection has taken the session over.`,
    details: { connection, last },
  };
}

export function hasHolders(name: string, holders: number): Refusal {
  return {
    code: 'CONFLICT',
    message: `Limit '${name}' has ${holders === 1 ? 'a holder' : `${holders} holders`}.`,
    details: { name, holders },
  };
}

export function slotsNeeded(name: string): Refusal {
  return {
    code: 'INVALID_REQUEST',
    message: `Limit '${name}' does not exist, and no slots were given to create it with.`,
    details: { name, field: 'slots' },
  };
}

export function leaseLost(lease: string): Refusal {
  return {
    code: 'LEASE_LOST',
    message: `Lease ${lease} is over: its holder gave no sign of life within its time to live, or it was given back.`,
    details: { lease },
  };
}

export function leaseRevoked(lease: string, reason: string): Refusal {
  return { code: 'LEASE_REVOKED', message: `Lease ${lease} was revoked: ${reason}.`, details: { lease, reason } };
}
