/**
 * Snapshots as rows. A part of one is a JSON array of rows; the first row of the first part is that of the whole state.
 * Limits and leases follow in any order, since what changes while the snapshot is written is written before its turn.
 */
import { type Lease, type Limit, leasesInOrder, newUsage } from '@slotkeeper/engine';
import {
  decodeAmounts,
  decodeHolder,
  decodeLifeline,
  decodeOrigin,
  decodeSettings,
  encodeHolder,
  encodeSettings,
} from './codec.ts';
import { count, flag, ms, msOrNull, slotsTaken, text, tuple } from './fields.ts';

export const STATE = 'state';
export const LIMIT = 'limit';
export const LEASE = 'lease';

export type Row = readonly unknown[];

export function stateRow({ position, atMs }: { readonly position: number; readonly atMs: number }): Row {
  return [STATE, position, ms(atMs)];
}

export function limitRow({ name, id, createdAtMs, updatedAtMs, usage, settings }: Limit): Row {
  return [
    LIMIT,
    name,
    id,
    ms(createdAtMs),
    ms(updatedAtMs),
    slotsTaken(usage.taken),
    usage.kind === 'rate' ? ms(usage.atMs) : null,
    ...encodeSettings(settings),
  ];
}

export function leaseRow(lease: Lease): Row {
  const { id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin } = lease;
  const who = encodeHolder(holder);
  return [
    LEASE,
    id,
    token,
    sessionId,
    lifeline,
    msOrNull(ttlMs),
    renewed,
    ms(grantedAtMs),
    who,
    amounts,
    spent,
    origin,
  ];
}

/** `fields` are those after the row's kind. */
export function readState(fields: Row): { readonly position: number; readonly atMs: number } {
  const [position, atMs] = tuple(fields, 2);
  return { position: count(position), atMs: ms(atMs) };
}

export function readLimit(fields: Row): Limit {
  const [name, id, createdAtMs, updatedAtMs, taken, takenAtMs, ...rest] = tuple(fields, 13);
  const settings = decodeSettings(rest);
  // What is taken of a semaphore is as of no time; format 3 wrote one.
  const atMs = settings.slotDecayPerSecond === null ? 0 : ms(takenAtMs);
  return {
    name: text(name),
    id: text(id),
    createdAtMs: ms(createdAtMs),
    updatedAtMs: ms(updatedAtMs),
    settings,
    usage: newUsage(settings.slotDecayPerSecond, atMs, 0, slotsTaken(taken)),
    leases: leasesInOrder(),
    spenders: null,
    snapshot: 0,
  };
}

export function readLease(fields: Row): Lease {
  const [id, token, sessionId, lifeline, ttlMs, renewed, grantedAtMs, holder, amounts, spent, origin] = tuple(
    fields,
    11,
  );
  return {
    id: text(id),
    token: count(token),
    sessionId: text(sessionId),
    lifeline: decodeLifeline(lifeline),
    ttlMs: msOrNull(ttlMs),
    renewed: flag(renewed),
    grantedAtMs: ms(grantedAtMs),
    holder: decodeHolder(holder),
    amounts: decodeAmounts(amounts),
    spent: decodeAmounts(spent),
    origin: decodeOrigin(origin),
    snapshot: 0,
  };
}
