/** Untracked slots (untracked.ts): set and returned. Leases take them, released with `untracked`. */
import type { Amounts } from './facts.ts';
import type { Parts } from './parts.ts';
import { notFound, type Refusal } from './refusals.ts';

/** Sets how many slots count as taken, those of leases included. If leases hold more than that, their number counts. */
export function setUntracked({ ledger, queue }: Parts, name: string, slots: number): Refusal | undefined {
  if (!ledger.state.limits.has(name)) return notFound([name], ledger.state.limits);
  ledger.record({ type: 'untracked.set', at: ledger.nowMs, name, slots, by: ledger.by });
  queue.roomGained(name);
  return undefined;
}

/** Returns untracked slots, of each limit at most as many as there are. Names that no limit has are ignored. */
export function returnUntracked({ ledger, queue }: Parts, amounts: Amounts): undefined {
  const existing = amounts.filter(([name]) => ledger.state.limits.has(name));
  if (existing.length === 0) return;
  ledger.record({ type: 'untracked.returned', at: ledger.nowMs, amounts: existing });
  for (const [name] of existing) queue.roomGained(name);
}
