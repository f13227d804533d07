/**
 * Snapshots as rows. A part is a JSON array of rows. The first row of the first part is that of the whole state. Limits and
 * leases follow in any order, since one that changes while the snapshot is written is written before its turn.
 */
import { type Lease, type Limit, leasesInOrder, newUsage } from '@slotkeeper/engine';
import { anyText, boolean, inline, local, Malformed, nullable, shape } from '@slotkeeper/shape';
import { amounts, count, holder, lifeline, ms, origin, readExact, settings, slotsTaken } from './stored.ts';

export const STATE = 'state';
export const LIMIT = 'limit';
export const LEASE = 'lease';

export type Row = readonly unknown[];

interface WholeState {
  readonly position: number;
  readonly atMs: number;
}

/** A limit without what its leases say. `takenAtMs` is the time that a rate's `taken` is as of; null for a semaphore. */
interface StoredLimit extends Pick<Limit, 'name' | 'id' | 'createdAtMs' | 'updatedAtMs' | 'settings'> {
  readonly taken: number;
  readonly takenAtMs: number | null;
}

const wholeState = shape<WholeState>({ position: count, atMs: ms });

const limit = shape<StoredLimit>({
  name: anyText,
  id: anyText,
  createdAtMs: ms,
  updatedAtMs: ms,
  taken: slotsTaken,
  takenAtMs: nullable(ms),
  settings: inline(settings),
});

const lease = shape<Lease>(
  {
    id: anyText,
    token: count,
    sessionId: anyText,
    lifeline,
    ttlMs: nullable(ms),
    renewed: boolean,
    grantedAtMs: ms,
    holder,
    amounts,
    spent: amounts,
    origin,
    snapshot: local(0),
  },
  {
    unrolled: {
      // biome-ignore format: the order of the table, in one line each
      values: ({ id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin }) =>
        [id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin],
      // biome-ignore format: as above
      object: ([id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin, snapshot]) =>
        ({ id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin, snapshot }),
    },
  },
);

export function stateRow(state: WholeState): Row {
  return [STATE, ...wholeState.toRow(state)];
}

export function limitRow({ name, id, createdAtMs, updatedAtMs, usage, settings }: Limit): Row {
  const { taken } = usage;
  const takenAtMs = usage.kind === 'rate' ? usage.atMs : null;
  return [LIMIT, ...limit.toRow({ name, id, createdAtMs, updatedAtMs, taken, takenAtMs, settings })];
}

export function leaseRow(of: Lease): Row {
  return [LEASE, ...lease.toRow(of)];
}

/** `fields` are those after the row's kind. Like the other readers it throws `Malformed`. */
export function readState(fields: Row): WholeState {
  return readExact(wholeState, fields);
}

export function readLimit(fields: Row): Limit {
  const { taken, takenAtMs, ...stored } = readExact(limit, fields);
  const { slotDecayPerSecond } = stored.settings;
  if ((takenAtMs === null) !== (slotDecayPerSecond === null))
    throw new Malformed('takenAtMs', 'must be there of a rate, and of no semaphore');
  const usage = newUsage(slotDecayPerSecond, takenAtMs ?? 0, 0, taken);
  return { ...stored, usage, leases: leasesInOrder(), spenders: null, snapshot: 0 };
}

export function readLease(fields: Row): Lease {
  return readExact(lease, fields);
}
