/** The services of this module: a Slotkeeper's, or a Prefect API's. */
import { Servers } from '../shared/servers.ts';
import { KeeperService } from './keeper-service.ts';
import { PrefectService } from './prefect-service.ts';
import type { SlotService } from './slot-service.ts';

const servers = new Servers<SlotService>({
  session: (keeper) => new KeeperService(keeper),
  rest: (url) => new PrefectService(url),
});

/** The service of the server that `SLOTKEEPER_URL`, or else `PREFECT_API_URL`, names now. */
export function slotService(): Promise<SlotService> {
  return servers.service();
}

/**
 * Closes every connection that `concurrency()` and `rateLimit()` have opened in this process, once the events that tell
 * of their slots have arrived. To be called when nothing is held or waited for; a later call opens connections again.
 */
export function close(): Promise<void> {
  return servers.close();
}
