/** Leases that were not given back are given back at the latest when the context exits. */
import { CleanupContext } from '../shared/context.ts';
import { servers } from './services.ts';

/**
 * Where leases are given back whose release failed or was cancelled.
 *
 * @example
 * await ConcurrencyContext.run(async (context) => {
 *   const scope = await concurrency('db');
 *   context.cleanupLeaseIds; // [the id of the lease]
 * }); // the slot is given back here, though nobody has disposed of `scope`
 */
export class ConcurrencyContext extends CleanupContext {
  /** Leases that were granted and not yet given back. Those left are given back as the context exits. */
  readonly cleanupLeaseIds: string[] = [];

  /** @internal The lease is given back, and need not be when the context exits. */
  discard(leaseId: string): void {
    const index = this.cleanupLeaseIds.indexOf(leaseId);
    if (index >= 0) this.cleanupLeaseIds.splice(index, 1);
  }

  protected override async cleanUp(): Promise<void> {
    for (const leaseId of [...this.cleanupLeaseIds]) await giveBack(leaseId);
  }
}

async function giveBack(leaseId: string): Promise<void> {
  try {
    const service = await servers.service();
    await service.release(leaseId);
  } catch (error) {
    console.warn(`Failed to release concurrency lease ${leaseId} during cleanup`, error);
  }
}
