/** The server: one replica over a data folder, with the session protocol and Prefect's API on one port. */
import type { AddressInfo } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Bounds } from '@slotkeeper/engine';
import { SqliteJournal } from '@slotkeeper/journal';
import {
  isReportedByServer,
  openEvents,
  prefectApi,
  standInFront,
  Upstream,
  UpstreamAccess,
  type UpstreamAddress,
  upstreamVersion,
} from '@slotkeeper/prefect';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { cameBack } from './came-back.ts';
import { realClock } from './clock.ts';
import { decodable } from './decodable-url.ts';
import { type CredentialOptions, readCredentials } from './keys/credentials.ts';
import { Keyring } from './keys/keyring.ts';
import { type HostCheck, hostCheck } from './known-host.ts';
import { onceThereIsSpace } from './once-there-is-space.ts';
import { isOfAnotherSite } from './other-site.ts';
import { quietLog } from './quiet-log.ts';
import type { Retention } from './replica/compaction.ts';
import { Replica } from './replica/replica.ts';
import { SessionServer } from './session.ts';
import { readTlsFiles, type TlsFiles, type TlsPair } from './tls-files.ts';
import { refuseUnreadable } from './unreadable.ts';
import { ofThisSite, serveUpgrades, WEBSOCKETS_ONLY } from './upgrades.ts';
import { VERSION } from './version.ts';
import { sessionUpgrade } from './websocket.ts';

const LOOPBACK = '127.0.0.1';

/** What clients must show is one of all that its credentials name; none: all who reach the server may do everything. */
export interface ServeOptions extends CredentialOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** The file descriptor of a listening socket that this process was started with. It takes the place of `host` and `port`. */
  readonly socket?: number | undefined;
  /** The folder that holds all of the server's state; created if it is not there. */
  readonly data: string;
  /** Who connects is a proxy, and is believed who asks it, and how. */
  readonly trustProxy?: boolean;
  /** It serves https with them. */
  readonly tls?: TlsFiles;
  /** Names, besides addresses and `localhost`, by which a server on loopback without a key may be asked. */
  readonly allowedHosts?: readonly string[];
  /** The Prefect server that answers all but concurrency limits; null: there is none. */
  readonly upstream: UpstreamAddress | null;
  /** The credentials for the upstream. This server's own key and auth string are never sent there. */
  readonly upstreamCredentials?: { readonly apiKey?: string | undefined; readonly authString?: string | undefined };
  /** Anybody may reach the upstream through this server, without this server's credentials. */
  readonly upstreamOpen?: boolean;
  /** The time to live of v1 leases, which no client renews. Null: they last until they are released. */
  readonly v1LeaseSeconds: number | null;
  /** The Prefect version that the server says it is. Null: the client's own, where that is known to work. */
  readonly prefectVersion: string | null;
  /** How much history is kept. Default: a week and 1 GiB. */
  readonly retention?: Retention;
  /** How much clients may make it keep; the engine's defaults unless given. */
  readonly bounds?: Partial<Bounds>;
  /** Aborts the wait for space on a full disk. */
  readonly signal?: AbortSignal;
  readonly log: Logger;
}

export interface RunningServer {
  /** `http://127.0.0.1:4230` */
  readonly url: string;
  /** The kind of journal and where it is: `sqlite ./slotkeeper-data`. */
  readonly description: string;
  readonly version: string;
  /** Reads the files of keys and of the certificate again. If something is wrong with them, the log says so and nothing changes. */
  reload(): void;
  /** Accepts no more work, answers what is under way, and closes the data. */
  close(): Promise<void>;
}

/** A request must have arrived by then, its body included. It may be answered later. */
const ARRIVES_WITHIN_MS = 60_000;
const HTTP_OPTIONS = { ...WEBSOCKETS_ONLY, connectionsCheckingInterval: 5_000 };

/** Resolves when it can serve; on a full disk, once there is space. Rejects with a `JournalError`, or with the error of `listen` (`EADDRINUSE`, `EACCES`, …). */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host, port, data, trustProxy = false, v1LeaseSeconds, prefectVersion, log } = options;
  const { upstreamCredentials = {}, upstreamOpen = false } = options;
  const tell = quietLog(realClock, (level, message) => log[level](message));
  const warn = (message: string): void => tell('warn', message);
  const keys = new Keyring({ credentials: readCredentials(options), clock: realClock, trustProxy, warn });
  const tls = options.tls && readTlsFiles(options.tls);
  const behind = options.upstream ? await fitUpstream(options.upstream, upstreamCredentials, tell) : {};
  const bounds = { ...options.bounds, ...(options.retention && { retention: options.retention }) };
  const replica = await onceThereIsSpace(
    () => Replica.start(() => new SqliteJournal({ folder: data }, realClock), realClock, bounds),
    (message) => tell('error', message),
    options.signal,
  );
  replica.on({ log: tell });
  const events = await openEvents({
    folder: data,
    bytesMax: options.retention?.bytes,
    host: replica,
    keys,
    upstream: options.upstream,
    upstreamCredentials,
    warn,
  });
  const app = newApp(tls);
  const checkOn = (address: string): HostCheck =>
    hostCheck({ listensOn: address, hasKey: keys.isGuarded, allowed: options.allowedHosts ?? [] });
  // The address of a socket that is open already is known once the server listens. Until then the check is the strict one.
  let check = checkOn(options.socket === undefined ? host : LOOPBACK);
  const refusalOf: HostCheck = (name) => check(name);
  // This check comes before a request can be passed on to an upstream.
  app.addHook('onRequest', async ({ headers }, reply) => {
    const detail = refusalOf(headers.host);
    if (detail !== undefined) await reply.code(421).send({ detail });
  });
  const access = new UpstreamAccess({
    ours: keys,
    theirs: upstreamCredentials,
    isOpen: upstreamOpen,
  });
  const upstream =
    options.upstream &&
    new Upstream({
      address: options.upstream,
      access,
      isOurs: isReportedByServer,
      log: tell,
      ...(behind.answered && { answered: behind.answered }),
    });
  // A browser that once got an auth string sends it with requests of any page, so pages of other sites are refused first. If
  // the upstream is open, it decides about them itself.
  if (upstream && !access.isGuarded) standInFront(app, upstream);
  app.addHook('onRequest', async ({ headers }, reply) => {
    if (!isOfAnotherSite(headers)) return;
    await reply.code(403).send({ detail: 'Requests of web pages elsewhere are refused.' });
  });
  if (upstream && access.isGuarded) standInFront(app, upstream);
  const sessions = new SessionServer({ replica, clock: realClock, version: VERSION, keys });
  const session = { '/session': sessionUpgrade(sessions, keys) };
  if (upstream)
    serveUpgrades(app.server, session, access.isGuarded ? ofThisSite(upstream.upgrade) : upstream.upgrade, refusalOf);
  else serveUpgrades(app.server, { ...session, ...events.upgrades }, undefined, refusalOf);
  serveProbes(app, replica);
  // In front of an upstream, clients get the upstream's own version.
  const version = behind.version ?? prefectVersion ?? undefined;
  await app.register(prefectApi, {
    prefix: '/api',
    host: replica,
    clock: realClock,
    keys,
    v1LeaseSeconds,
    ...(version !== undefined && { prefectVersion: version }),
    routes: events.routes,
    broke: (error) => log.error(error),
  });
  const close = async (): Promise<void> => {
    sessions.close();
    events.dropConnections();
    await app.close();
    await events.close();
    await replica.stop();
  };
  let url: string;
  try {
    // Node takes a file descriptor before all else, and Fastify would listen twice on 'localhost'.
    const place = options.socket === undefined ? { host, port } : { host: LOOPBACK, fd: options.socket };
    await app.listen(place);
    const listening = networkAddress(app);
    check = checkOn(listening.address);
    url = `${tls ? 'https' : 'http'}://${authorityOf(listening)}`;
  } catch (error) {
    await close();
    throw error;
  }
  for (const sentence of cameBack(replica)) tell('info', sentence);
  return {
    url,
    description: replica.description,
    version: VERSION,
    reload() {
      // Each time is logged, also the same twice in a minute: somebody has just asked.
      const again = (what: string, read: () => void): void => {
        try {
          read();
          log.info(`The ${what} was read again.`);
        } catch (error) {
          log.error(`The ${what} stays as it was: ${(error as Error).message}`);
        }
      };
      if (keys.isGuarded) again('list of keys', () => keys.replace(readCredentials(options)));
      const { tls } = options;
      const { server } = app;
      if (tls && server instanceof TlsServer) again('certificate', () => server.setSecureContext(readTlsFiles(tls)));
    },
    async close() {
      tell('info', 'Stopping: no new work is taken, and what is under way is answered.');
      await close();
    },
  };
}

function newApp(tls: TlsPair | undefined): FastifyInstance {
  const options = {
    forceCloseConnections: true,
    bodyLimit: 1_048_576,
    requestTimeout: ARRIVES_WITHIN_MS,
    // No head of a request is longer than this, so the route answers every path, and not the router.
    routerOptions: { maxParamLength: 16_384 },
    rewriteUrl: ({ url = '/' }: { url?: string | undefined }) => decodable(url),
    clientErrorHandler: refuseUnreadable,
  };
  if (!tls) return Fastify({ ...options, http: HTTP_OPTIONS });
  // An app over TLS has another type. Nothing here depends on it.
  return Fastify({ ...options, https: { ...HTTP_OPTIONS, ...tls } }) as unknown as FastifyInstance;
}

/**
 * Rejects if this server cannot stand in front of the upstream. An upstream that does not answer may be started later: call
 * `answered` when it answers.
 */
async function fitUpstream(
  address: UpstreamAddress,
  credentials: NonNullable<ServeOptions['upstreamCredentials']>,
  tell: (level: 'warn', message: string) => void,
): Promise<{ readonly version?: string; readonly answered?: () => void }> {
  const found = await upstreamVersion(address, credentials);
  if (found.is === 'known' && found.problem !== undefined) throw new Error(found.problem);
  if (found.is === 'elsewhere') throw new Error(found.reason);
  if (found.is === 'known') return { version: found.version };
  tell('warn', found.reason);
  if (found.is === 'unclear') return {};
  const answered = async (): Promise<void> => {
    const now = await upstreamVersion(address, credentials);
    const reason = now.is === 'known' ? now.problem : now.reason;
    if (reason !== undefined) tell('warn', reason);
  };
  return { answered };
}

/** Where it listens. Throws if that is a socket of the file system, which it can only have been given. */
function networkAddress(app: FastifyInstance): AddressInfo {
  const address = app.server.address();
  if (address !== null && typeof address !== 'string') return address;
  throw new Error(
    'The socket that this server was given has no port: its socket unit needs ListenStream=ADDRESS:PORT.',
  );
}

function authorityOf({ address, family, port }: AddressInfo): string {
  return `${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** Probes for the supervisor of the process: is it alive, can it serve. They need no key. */
function serveProbes(app: FastifyInstance, replica: Replica): void {
  app.get('/healthz', () => ({ status: 'ok', server: 'slotkeeper', version: VERSION }));
  app.get('/readyz', (_request, reply) => {
    const { space } = replica;
    const disk = space && { ...space, isShort: space.freeBytes < space.wantedBytes };
    if (replica.ready) return { status: 'ok', disk };
    return reply.code(503).send({ status: 'starting again from the journal', disk });
  });
}
