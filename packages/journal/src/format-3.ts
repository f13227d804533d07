/** The rows of version 0.1.0 that differ from this one's: a lease had no origin. */
import { emptyState, type Fact, type Origin, type State } from '@slotkeeper/engine';
import { decodeFact } from './codec.ts';
import { list, parse, text, tuple } from './fields.ts';
import { addLease, addLimit } from './snapshot-reader.ts';
import { readLease, readLimit, readState } from './snapshot-rows.ts';

/** The prefixes of session ids in version 0.1.0. An id with none of them is a client's of the session protocol. */
const ORIGINS: readonly (readonly [prefix: string, origin: Origin])[] = [
  ['prefect-v1:', 'prefect-tag'],
  ['reset:', 'prefect-tag'],
  ['prefect-v2:leased:', 'prefect-lease'],
  ['prefect-v2:bare:', 'prefect-bare'],
];

function originOf(sessionId: string): Origin {
  return ORIGINS.find(([prefix]) => sessionId.startsWith(prefix))?.[1] ?? 'session';
}

export function decodeFactOfFormat3(row: unknown): Fact {
  const fields = list(row);
  if (fields[0] === 'grant') return decodeFact([...tuple(fields, 9), originOf(text(fields[3]))]);
  // Version 0.1.0 called untracked slots `left`.
  if (fields[0] === 'release' && fields[4] === 'left') return decodeFact([...fields.slice(0, 4), 'untracked']);
  return decodeFact(fields);
}

/** The snapshot was one text: the canonical form of the state. Throws `Malformed` on anything else. */
export function decodeStateOfFormat3(encoded: string): State {
  const [position, atMs, limits, leases] = tuple(parse(encoded), 4);
  const state = Object.assign(emptyState(), readState([position, atMs]));
  for (const limit of list(limits)) addLimit(state, readLimit(withoutTime(tuple(limit, 13))));
  for (const lease of list(leases)) {
    const fields = tuple(lease, 10);
    addLease(state, readLease([...fields, originOf(text(fields[2]))]));
  }
  return state;
}

/** Version 0.1.0 wrote the time of a semaphore's usage as well, which means nothing. */
function withoutTime(limit: readonly unknown[]): readonly unknown[] {
  const [taken, takenAtMs, slots, slotDecayPerSecond] = limit.slice(4);
  return [...limit.slice(0, 4), taken, slotDecayPerSecond === null ? null : takenAtMs, slots, ...limit.slice(7)];
}
