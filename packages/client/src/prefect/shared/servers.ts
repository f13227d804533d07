/** Finds the server that the environment names, and how to reach it. Opens one service an address, at its first use. */
import { NoAnswerError } from '@slotkeeper/protocol/prefect';
import { DEFAULT_URL, readAddress } from '../../address.ts';
import { connect } from '../../connect.ts';
import { detectServer } from '../../detect-server.ts';
import type { Keeper, Warning } from '../../keeper.ts';
import type { Status } from '../../session.ts';

/** What to do where nobody answers. */
export const NO_ANSWER_ADVICE = 'Start a server there, or name another in SLOTKEEPER_URL or PREFECT_API_URL.';

/** One server, as a system's calls ask it. */
export interface Service {
  /** Finishes what is under way, events included, and closes its connections. */
  close(): Promise<void>;
}

export interface Transports<S extends Service> {
  /** Over our own protocol: a Slotkeeper server, or the engine in this process. */
  readonly session: (keeper: Keeper) => S;
  /** Over Prefect's REST API at this URL. */
  readonly rest: (url: string) => S;
}

export class Servers<S extends Service> {
  readonly #transports: Transports<S>;
  readonly #opened = new Map<string, Promise<S>>();

  constructor(transports: Transports<S>) {
    this.#transports = transports;
  }

  /** The service of the server that `SLOTKEEPER_URL`, or else `PREFECT_API_URL`, names now. */
  service(): Promise<S> {
    const url = (process.env.SLOTKEEPER_URL || process.env.PREFECT_API_URL || DEFAULT_URL).replace(/\/+$/, '');
    const known = this.#opened.get(url);
    if (known !== undefined) return known;
    const forget = (): void => {
      if (this.#opened.get(url) === opened) this.#opened.delete(url);
    };
    const opened = this.#open(url, forget);
    this.#opened.set(url, opened);
    opened.catch(forget);
    return opened;
  }

  async close(): Promise<void> {
    const opened = [...this.#opened.values()];
    this.#opened.clear();
    await Promise.all(
      opened.map((service) =>
        service.then(
          (open) => open.close(),
          () => undefined,
        ),
      ),
    );
  }

  /** `ended` is called if the service ends for good by itself, so that the next call opens another. */
  async #open(url: string, ended: () => void): Promise<S> {
    const onStatus = (status: Status): void => {
      if (status === 'closed') ended();
    };
    const address = readAddress(url);
    const isPrefects = address.type === 'server' && address.isApi && !(await isSlotkeeperAt(address.origin));
    if (isPrefects) return this.#transports.rest(url);
    // In both systems a name without a limit is normal, or warned of in Prefect's words.
    const onWarning = ({ code, message }: Warning): void => {
      if (code === 'NOT_CONNECTED' || code === 'KEY_IN_CLEAR')
        process.emitWarning(message, { type: 'SlotkeeperWarning', code });
    };
    return this.#transports.session(await connect(url, { onStatus, onWarning }));
  }
}

async function isSlotkeeperAt(origin: string): Promise<boolean> {
  try {
    return (await detectServer(origin)) === 'slotkeeper';
  } catch (error) {
    throw NoAnswerError.from(origin, error, NO_ANSWER_ADVICE);
  }
}
