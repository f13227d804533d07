/** Facts that are known by their position, for tests that only count them. Any run of them fits: their leases hold nothing. */
import type { Amounts, Fact } from '@slotkeeper/engine';

/** `count` facts, as those from position `from` on; each is one millisecond after the one before it. */
export function numbered(count: number, from = 1): Fact[] {
  return Array.from({ length: count }, (_, index) => granted(`lease ${from + index}`, from + index));
}

export function granted(lease: string, at = 1_000, amounts: Amounts = []): Fact {
  const holder = { type: null, id: null, label: null, host: null, pid: null };
  return {
    type: 'lease.granted',
    at,
    leaseId: lease,
    sessionId: 's',
    lifeline: 'heartbeat',
    ttlMs: 15_000,
    amounts,
    holder,
    refunds: false,
    origin: 'session',
  };
}
