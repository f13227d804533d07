/** From an address to a keeper, with the real clock, transport, ids and random numbers. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Channel,
  type ChannelEvents,
  type ClientFrame,
  priority,
  type ServerFrame,
  TTL_MAX_MS,
  TTL_MIN_MS,
} from '@slotkeeper/protocol';
import { proxyTo } from '@slotkeeper/protocol/proxy';
import { number, object, partial, shape, shortText } from '@slotkeeper/shape';
import { type OnMissing, onMissing } from './acquire-call.ts';
import { type Address, DEFAULT_URL, readAddress } from './address.ts';
import { fromCaller } from './call-stack.ts';
import { clearKeyWarning } from './clear-key.ts';
import { type ConnectFailure, connectFailure } from './connect-failure.ts';
import { detectServer } from './detect-server.ts';
import { openEmbedded } from './embedded.ts';
import { InvalidRequestError, type SlotkeeperError, unreachable } from './errors.ts';
import { FirstContact } from './first-contact.ts';
import { ForgottenLease } from './forgotten-lease.ts';
import { Keepalive } from './keepalive.ts';
import { type Connection, Keeper, type KeeperOptions, type Warning } from './keeper.ts';
import { callback, optionsCheck, seconds, timeoutSeconds } from './option-fields.ts';
import { realClock } from './real-clock.ts';
import { Backoff } from './reconnect.ts';
import { refuse } from './refuse.ts';
import { Session, type Status } from './session.ts';
import { dialWebSocket } from './websocket.ts';

export interface ConnectOptions {
  /** `SLOTKEEPER_API_KEY` if not given. */
  readonly apiKey?: string | undefined;
  /** A text for people, shown with the leases of this keeper that have no label of their own. */
  readonly label?: string | undefined;
  /** How long slots stay taken after the last sign of life of this process; 2 … 300, 15 if not given. */
  readonly ttlSeconds?: number | undefined;
  /** 10 if not given. */
  readonly connectTimeoutSeconds?: number | undefined;
  /** For acquires that do not set it themselves. */
  readonly defaults?:
    | {
        readonly timeoutSeconds?: number | undefined;
        readonly priority?: number | undefined;
        readonly onMissing?: OnMissing | undefined;
      }
    | undefined;
  /** Called at each change of `keeper.status`, with the cause, if there was one. */
  readonly onStatus?: ((status: Status, cause?: SlotkeeperError) => void) | undefined;
  /**
   * Called with what a program should know: a limit that limits nothing, a lease that was forgotten, nobody at the address of
   * this machine. Default: `process.emitWarning`, once for each limit.
   */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

const TTL_SECONDS = 15;
const CONNECT_TIMEOUT_SECONDS = 10;

/**
 * Connects to a server: `http(s)://host:port`, or a Prefect API's URL where Slotkeeper answers; `embedded:` runs the engine
 * in this process, in memory or in a file. Without a URL, that of `SLOTKEEPER_URL`, else `http://127.0.0.1:4230`.
 *
 * Resolves to a keeper that is connected, and that connects again by itself. Rejects with `SERVER_UNREACHABLE` if nobody
 * answers within `connectTimeoutSeconds`, or at once if what answers is no Slotkeeper server; with `AUTH`, or with
 * `INVALID_REQUEST`. `embedded:./file.db` rejects with `CONFLICT` if another process has the file, with
 * `SERVER_UNREACHABLE` if it cannot be opened.
 *
 * @example
 * const keeper = await connect('http://127.0.0.1:4230', { label: 'nightly' });
 * keeper.status; // 'connected'
 * await connect('http://127.0.0.1:1', { connectTimeoutSeconds: 1 }); // throws ServerUnreachableError after a second
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Keeper> {
  refuse(checkConnectOptions(options));
  const forKeeper = keeperOptions(options);
  return new Keeper(await fromCaller(() => openConnection(url, options, forKeeper.warn)), forKeeper);
}

/** Connects at first use. */
export function lazyKeeper(): Keeper {
  const forKeeper = keeperOptions({});
  return new Keeper(() => openConnection(undefined, {}, forKeeper.warn), forKeeper);
}

function keeperOptions({ label, defaults, onWarning }: ConnectOptions): KeeperOptions {
  return {
    clock: realClock,
    defaults: { ...defaults, label, host: hostname(), pid: process.pid },
    warn: onWarning ?? processWarnings(),
  };
}

/** The most warnings of one process, since a program may make up names of limits without end. */
const PROCESS_WARNINGS_MAX = 100;

/** The default `onWarning`: a warning of the process, once for each limit and code. */
function processWarnings(): (warning: Warning) => void {
  const reported = new Set<string>();
  return ({ code, message }) => {
    if (reported.has(message) || reported.size >= PROCESS_WARNINGS_MAX) return;
    reported.add(message);
    process.emitWarning(message, { type: 'SlotkeeperWarning', code });
  };
}

async function openConnection(
  url: string | undefined,
  options: ConnectOptions,
  warn: (warning: Warning) => void,
): Promise<Connection> {
  const wanted = url === undefined ? process.env.SLOTKEEPER_URL || DEFAULT_URL : url;
  const address = readAddress(wanted);
  const timeoutMs = connectTimeoutMs(options);
  const clear = address.type === 'server' && keyOf(options) !== null ? clearKeyWarning(address.origin) : undefined;
  if (clear) warn(clear);
  const contact = new FirstContact(realClock, wanted, timeoutMs, warn);
  try {
    const transport = await openTransport(address, wanted, timeoutMs, contact);
    return await openSession(address, wanted, transport, options, warn);
  } finally {
    contact.over();
  }
}

function keyOf({ apiKey }: ConnectOptions): string | null {
  return apiKey ?? (process.env.SLOTKEEPER_API_KEY || null);
}

async function openSession(
  address: Address,
  wanted: string,
  transport: Transport,
  options: ConnectOptions,
  warn: (warning: Warning) => void,
): Promise<Connection> {
  const ttlMs = Math.round((options.ttlSeconds ?? TTL_SECONDS) * 1_000);
  const keepalive = new Keepalive();
  const session: Session = new Session(
    {
      clock: realClock,
      dial: (events) => transport.dial(events, (error) => session.giveUp(error)),
      newId: randomUUID,
      random: Math.random,
    },
    {
      ttlMs: address.type === 'embedded' ? null : ttlMs,
      connectTimeoutMs: connectTimeoutMs(options),
      apiKey: keyOf(options),
      address: wanted,
    },
    {
      // Called in a later turn, so that an error of the callback is not the session's.
      status: (status, cause) => options.onStatus && process.nextTick(options.onStatus, status, cause),
      busy: (busy) => {
        keepalive.busy = busy;
        forgotten.busy = busy;
      },
    },
  );
  const forgotten = new ForgottenLease(realClock, session, (alone) => keepalive.ifAlone(alone), warn);
  const close = async (): Promise<void> => {
    keepalive.end();
    await transport.close();
  };
  try {
    await session.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { session, ttlMs, close };
}

function connectTimeoutMs({ connectTimeoutSeconds = CONNECT_TIMEOUT_SECONDS }: ConnectOptions): number {
  return connectTimeoutSeconds * 1_000;
}

interface Transport {
  /** `refused`: called if another kind of server answers. */
  readonly dial: (
    events: ChannelEvents<ServerFrame>,
    refused: (error: SlotkeeperError) => void,
  ) => Channel<ClientFrame>;
  readonly close: () => Promise<void>;
}

async function openTransport(
  address: Address,
  wanted: string,
  timeoutMs: number,
  contact: FirstContact,
): Promise<Transport> {
  if (address.type === 'embedded') {
    const embedded = await openEmbedded(address.file);
    return { dial: (events) => embedded.dial(events), close: () => embedded.close() };
  }
  if (address.isApi) await checkThatSlotkeeperAnswers(address.origin, wanted, timeoutMs, contact);
  return {
    dial: (events, refused) => {
      const closed = (reason: string): void => {
        contact.failed(reason);
        events.closed(reason);
      };
      return dialWebSocket({ address: wanted, sessionUrl: address.sessionUrl }, { ...events, closed }, refused);
    },
    close: async () => {},
  };
}

/** Asks again until somebody answers, for as long as a first connect may take. */
async function checkThatSlotkeeperAnswers(
  origin: string,
  wanted: string,
  timeoutMs: number,
  contact: FirstContact,
): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  const backoff = new Backoff(null, Math.random);
  for (;;) {
    const leftMs = Math.max(1, endsAtMs - performance.now());
    const answer = await detectServer(origin, leftMs).catch((error: unknown) => ({ error }));
    if (answer === 'slotkeeper') return;
    if (answer === 'another')
      throw new InvalidRequestError(
        `${wanted} is a Prefect API but not of a Slotkeeper server, which this call needs. 'slotkeeper/v1' and 'slotkeeper/prefect' work against any Prefect API; or start Slotkeeper (npx @slotkeeper/server serve) and name it here.`,
        { field: 'url', reason: 'is a Prefect API but not of a Slotkeeper server' },
      );
    const failure: ConnectFailure =
      answer === 'away'
        ? { reason: 'a proxy answers that its server is not there' }
        : connectFailure(answer.error, origin, wanted, proxyTo(origin));
    if (failure.final) throw failure.final;
    contact.failed(failure.reason);
    const pauseMs = backoff.next();
    if (performance.now() + pauseMs >= endsAtMs)
      throw unreachable(wanted, failure.reason, answer === 'away' ? undefined : { cause: answer.error });
    await delay(pauseMs);
  }
}

const checkConnectOptions = optionsCheck<ConnectOptions>({
  apiKey: shortText,
  label: shortText,
  ttlSeconds: number(TTL_MIN_MS / 1_000, TTL_MAX_MS / 1_000),
  connectTimeoutSeconds: seconds,
  defaults: object(shape(partial({ timeoutSeconds, priority, onMissing }))),
  onStatus: callback,
  onWarning: callback,
});
