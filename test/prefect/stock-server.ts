/** A stock Prefect server for the tests of one `describe`, at which our client of Prefect's API is pointed. */
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { eventually } from '../eventually.ts';
import { PrefectServer } from './prefect-server.ts';

export interface SlotEvent {
  readonly id: string;
  readonly event: string;
  readonly follows: string | null;
  readonly resource: Record<string, string>;
  readonly related: Record<string, string>[];
}

const KINDS = ['acquired', 'released'].flatMap((kind) => [
  `prefect.concurrency-limit.${kind}`,
  `prefect.concurrency-limit.v1.${kind}`,
]);

/** `close` ends the client's connections before the server stops. */
export function useStockServer(
  settings: Record<string, string>,
  close: () => Promise<void>,
): { readonly server: PrefectServer } {
  let server: PrefectServer | undefined;
  beforeAll(async () => {
    server = await PrefectServer.start(settings);
    vi.stubEnv('SLOTKEEPER_URL', undefined);
    vi.stubEnv('PREFECT_API_URL', server.url);
  }, 300_000);
  afterAll(async () => {
    await close();
    await server?.stop();
    vi.unstubAllEnvs();
  });
  return {
    get server() {
      if (!server) throw new Error('the server is started before the tests, not as they are described');
      return server;
    },
  };
}

/** The events of a limit's slots, the oldest first. The server stores them in batches, some seconds after it has them. */
export function slotEvents(server: PrefectServer, resource: string, count: number): Promise<SlotEvent[]> {
  return eventually(async () => {
    const filter = { resource: { id: [resource] }, event: { name: KINDS } };
    const { events } = await server.post<{ events: SlotEvent[] }>('/events/filter', { filter, limit: 50 });
    expect(events).toHaveLength(count);
    return events.reverse();
  });
}
