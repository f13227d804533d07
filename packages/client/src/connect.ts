/** From an address to a keeper: the real world's clock, transport, ids and chance come in here. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import {
  type Channel,
  type ChannelEvents,
  type Check,
  checkLabel,
  checkOnMissing,
  checkPriority,
  checkTimeout,
  checkTtl,
  type Problem,
} from '@slotkeeper/protocol';
import { type Address, DEFAULT_URL, readAddress } from './address.ts';
import { openEmbedded } from './embedded.ts';
import { InvalidRequestError, ServerUnreachableError, type SlotkeeperError } from './errors.ts';
import { Keepalive } from './keepalive.ts';
import { type Connection, Keeper, type KeeperOptions, type Warning } from './keeper.ts';
import { realClock } from './real-clock.ts';
import { isSlotkeeper } from './recognise.ts';
import { refuse, refuseUnknown } from './refuse.ts';
import { Session, type Status } from './session.ts';
import { dialWebSocket } from './websocket.ts';
import type { OnMissing } from './wish.ts';

export interface ConnectOptions {
  /** `SLOTKEEPER_API_KEY` unless told. */
  readonly apiKey?: string | undefined;
  /** For people, shown with what this keeper holds, unless the acquire has its own. */
  readonly label?: string | undefined;
  /** How long slots stay taken after this process was last heard of; 2 … 300, 15 unless told. */
  readonly ttlSeconds?: number | undefined;
  /** 10 unless told. */
  readonly connectTimeoutSeconds?: number | undefined;
  /** For acquires that do not say it themselves. */
  readonly defaults?:
    | {
        readonly timeoutSeconds?: number | undefined;
        readonly priority?: number | undefined;
        readonly onMissing?: OnMissing | undefined;
      }
    | undefined;
  /** Called at each change of `keeper.status`, with its cause if there was one. */
  readonly onStatus?: ((status: Status, cause?: SlotkeeperError) => void) | undefined;
  /** Called with what a program should know: a limit that limits nothing, a lease that was dropped and not released. */
  readonly onWarning?: ((warning: Warning) => void) | undefined;
}

const TTL_SECONDS = 15;
const CONNECT_TIMEOUT_SECONDS = 10;

/**
 * Connects to a server: `http(s)://host:port`, or a Prefect API's URL where Slotkeeper answers; `embedded:` runs the engine
 * in this process, in memory or in a file. Without a URL, that of `SLOTKEEPER_URL`, else `http://127.0.0.1:4230`.
 *
 * Resolves to a keeper that is connected, and that connects again by itself. Rejects with `SERVER_UNREACHABLE` if nobody
 * answers within `connectTimeoutSeconds`, with `AUTH`, or with `INVALID_REQUEST`.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Keeper> {
  check(options);
  return new Keeper(await openConnection(url, options), keeperOptions(options));
}

/** Connects at first use. */
export function lazyKeeper(): Keeper {
  return new Keeper(() => openConnection(undefined, {}), keeperOptions({}));
}

function keeperOptions({ label, defaults, onWarning }: ConnectOptions): KeeperOptions {
  return {
    clock: realClock,
    defaults: { ...defaults, label, host: hostname(), pid: process.pid },
    // In a turn of its own: what it throws is not the acquire's.
    warn: onWarning ? (warning) => process.nextTick(onWarning, warning) : warnOfLeaks,
  };
}

/** That a limit limits nothing was asked for; a leak is never meant. */
function warnOfLeaks({ code, message }: Warning): void {
  if (code === 'LEASE_COLLECTED') process.emitWarning(message, { type: 'SlotkeeperWarning', code });
}

async function openConnection(url: string | undefined, options: ConnectOptions): Promise<Connection> {
  const wanted = url ?? (process.env.SLOTKEEPER_URL || DEFAULT_URL);
  const address = readAddress(wanted);
  const connectTimeoutMs = (options.connectTimeoutSeconds ?? CONNECT_TIMEOUT_SECONDS) * 1_000;
  const transport = await openTransport(address, connectTimeoutMs);
  const ttlMs = Math.round((options.ttlSeconds ?? TTL_SECONDS) * 1_000);
  const keepalive = new Keepalive();
  const session = new Session(
    { clock: realClock, dial: transport.dial, newId: randomUUID, random: Math.random },
    {
      ttlMs: address.type === 'embedded' ? null : ttlMs,
      connectTimeoutMs,
      apiKey: options.apiKey ?? (process.env.SLOTKEEPER_API_KEY || null),
      address: wanted,
    },
    {
      // In a turn of its own: what it throws is not the session's.
      status: (status, cause) => options.onStatus && process.nextTick(options.onStatus, status, cause),
      busy: (busy) => {
        keepalive.busy = busy;
      },
    },
  );
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

interface Transport {
  readonly dial: (events: ChannelEvents) => Channel;
  readonly close: () => Promise<void>;
}

async function openTransport(address: Address, connectTimeoutMs: number): Promise<Transport> {
  if (address.type === 'embedded') {
    const embedded = await openEmbedded(address.file);
    return { dial: (events) => embedded.dial(events), close: () => embedded.close() };
  }
  if (address.isApi) await checkThatSlotkeeperAnswers(address.origin, connectTimeoutMs);
  return { dial: (events) => dialWebSocket(address.sessionUrl, events), close: async () => {} };
}

async function checkThatSlotkeeperAnswers(origin: string, connectTimeoutMs: number): Promise<void> {
  let isOurs: boolean;
  try {
    isOurs = await isSlotkeeper(origin, connectTimeoutMs);
  } catch (cause) {
    throw new ServerUnreachableError(
      `Nobody answers at ${origin}. Start a Slotkeeper server there (npx @slotkeeper/server serve), or name another (connect(url), SLOTKEEPER_URL).`,
      { address: origin },
      { cause },
    );
  }
  if (!isOurs)
    throw new InvalidRequestError(
      `${origin}/api is a Prefect API but not of a Slotkeeper server, which this call needs. 'slotkeeper/v1' works against any Prefect API; or start Slotkeeper (npx @slotkeeper/server serve) and name it here.`,
      { field: 'url' },
    );
}

function check(options: ConnectOptions): void {
  refuseUnknown(
    options,
    ['apiKey', 'label', 'ttlSeconds', 'connectTimeoutSeconds', 'defaults', 'onStatus', 'onWarning'],
    'options',
  );
  const { defaults = {}, ttlSeconds = TTL_SECONDS, connectTimeoutSeconds = CONNECT_TIMEOUT_SECONDS } = options;
  refuseUnknown(defaults, ['timeoutSeconds', 'priority', 'onMissing'], 'defaults');
  refuse(
    checkLabel(options.label ?? null, 'label') ??
      checkLabel(options.apiKey ?? null, 'apiKey') ??
      inSeconds(checkTtl, ttlSeconds, 'ttlSeconds', 'from 2 to 300') ??
      inSeconds(checkTimeout, connectTimeoutSeconds, 'connectTimeoutSeconds', 'from 0') ??
      inSeconds(checkTimeout, defaults.timeoutSeconds ?? 0, 'defaults.timeoutSeconds', 'from 0') ??
      checkPriority(defaults.priority ?? 0, 'defaults.priority') ??
      checkOnMissing(defaults.onMissing ?? 'error', 'defaults.onMissing'),
  );
}

/** `checkMs`, of a value that was given in seconds. */
function inSeconds(checkMs: Check, seconds: number, field: string, range: string): Problem | undefined {
  const isAllowed = typeof seconds === 'number' && !checkMs(Math.round(seconds * 1_000), field);
  return isAllowed ? undefined : { field, reason: `must be a number ${range}, but was ${String(seconds)}` };
}
