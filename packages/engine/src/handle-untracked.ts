/** Untracked slots (untracked.ts): set and returned. Leases take them, released with `untracked`. */
import type { Amounts } from './facts.ts';
import type { Parts } from './parts.ts';
import { notFound, type Refusal } from './refusals.ts';

/** So many slots count as taken, those of leases included, or as many as leases hold if these are more. */
export function setUntracked({ ledger, queue }: Parts, name: string, slots: number): Refusal | undefined {
  if (!ledger.state.limits.has(name)) return notFound([name], ledger.state.limits);
  ledger.record({ type: 'untracked.set', at: ledger.nowMs, name, slots, by: ledger.by });
  queue.roomGained(name);
  return undefined;
}

/** Of each limit as many as there are at the most. Names that no limit has are passed over. */
export function returnUntracked({ ledger, queue }: Parts, amounts: Amounts): undefined {
  const existing = amounts.filter(([name]) => ledger.state.limits.has(name));
  if (existing.length === 0) return;
  ledger.record({ type: 'untracked.returned', at: ledger.nowMs, amounts: existing });
  for (const [name] of existing) queue.roomGained(name);
}
