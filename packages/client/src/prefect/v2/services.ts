/** Where v2's slots come from: a Slotkeeper, or a Prefect API. */
import { Servers } from '../shared/servers.ts';
import { KeeperService } from './keeper-service.ts';
import { PrefectService } from './prefect-service.ts';
import type { SlotService } from './slot-service.ts';

export const servers = new Servers<SlotService>({
  session: (keeper) => new KeeperService(keeper),
  rest: (url) => new PrefectService(url),
});

/**
 * Closes every connection that `concurrency()` and `rateLimit()` have opened in this process, once the events about their
 * slots have arrived. Call it when nothing is held or waited for. A later call opens connections again.
 *
 * @example
 * await rateLimit('emails');
 * await close(); // undefined: this process has no connection of slotkeeper/prefect any more
 */
export function close(): Promise<void> {
  return servers.close();
}
