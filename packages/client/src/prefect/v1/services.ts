/** Where v1's slots come from: a Slotkeeper, or a Prefect API. */
import { Servers } from '../shared/servers.ts';
import { KeeperService } from './keeper-service.ts';
import { PrefectService } from './prefect-service.ts';
import type { SlotService } from './slot-service.ts';

export const servers = new Servers<SlotService>({
  session: (keeper) => new KeeperService(keeper),
  rest: (url) => new PrefectService(url),
});

/**
 * Closes every connection that `concurrency()` has opened in this process, once the events about its slots have arrived.
 * Call it when nothing is held or waited for. A later `concurrency()` opens connections again.
 *
 * @example
 * await concurrency('gpu', taskRunId, {}, train);
 * await close(); // undefined: this process has no connection of slotkeeper/v1 any more
 */
export function close(): Promise<void> {
  return servers.close();
}
