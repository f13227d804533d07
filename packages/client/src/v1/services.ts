/** Which server is meant, and by which of the transports it is reached. One service an address, opened at first use. */
import { DEFAULT_URL, readAddress } from '../address.ts';
import { connect } from '../connect.ts';
import { recognise } from '../recognise.ts';
import type { Status } from '../session.ts';
import { KeeperService } from './keeper-service.ts';
import { noAnswer } from './no-answer.ts';
import { PrefectService } from './prefect-service.ts';
import type { SlotService } from './slot-service.ts';

const services = new Map<string, Promise<SlotService>>();

/** The service of the server that `SLOTKEEPER_URL`, or else `PREFECT_API_URL`, names now. */
export function slotService(): Promise<SlotService> {
  const url = (process.env.SLOTKEEPER_URL || process.env.PREFECT_API_URL || DEFAULT_URL).replace(/\/+$/, '');
  const known = services.get(url);
  if (known !== undefined) return known;
  const forget = (): void => {
    if (services.get(url) === opened) services.delete(url);
  };
  const opened = open(url, forget);
  services.set(url, opened);
  opened.catch(forget);
  return opened;
}

/**
 * Closes every connection that `concurrency()` has opened in this process, once the events that tell of its slots have
 * arrived. To be called when nothing is held or waited for; a later `concurrency()` opens connections again.
 */
export async function close(): Promise<void> {
  const opened = [...services.values()];
  services.clear();
  await Promise.all(
    opened.map((service) =>
      service.then(
        (open) => open.close(),
        () => undefined,
      ),
    ),
  );
}

/** `ended`: called if it ends for good by itself, so that the next call opens another. */
async function open(url: string, ended: () => void): Promise<SlotService> {
  const onStatus = (status: Status): void => {
    if (status === 'closed') ended();
  };
  const address = readAddress(url);
  const isPrefects = address.type === 'server' && address.isApi && !(await isSlotkeeperAt(address.origin));
  // That a tag has no limit is as it should be.
  const onWarning = (): void => undefined;
  return isPrefects ? new PrefectService(url) : new KeeperService(await connect(url, { onStatus, onWarning }));
}

async function isSlotkeeperAt(origin: string): Promise<boolean> {
  try {
    return (await recognise(origin)) === 'slotkeeper';
  } catch (error) {
    throw noAnswer(origin, error, false);
  }
}
