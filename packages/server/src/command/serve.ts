/** `slotkeeper serve`: from the command line to a running server, and from a signal to its end. */
import { type UpstreamAddress, upstreamAddress } from '@slotkeeper/prefect';
import { isLoopback } from '@slotkeeper/protocol';
import { CommandFailure, EXIT, systemCode } from '@slotkeeper/terminal';
import { Command, InvalidArgumentError, Option } from 'commander';
import { inheritedSocket } from '../inherited-socket.ts';
import type { RunningServer } from '../serve.ts';
import type { TlsFiles } from '../tls-files.ts';
import { byteCount, notEmpty, sizeText, wholeNumber } from './arguments.ts';
import { addBoundOptions, type BoundOptions, boundsOf } from './bounds.ts';

interface ServeOptions extends BoundOptions {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly apiKeys?: string;
  readonly authString?: string;
  readonly authStringFile?: string;
  readonly trustProxy?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allowHost?: readonly string[];
  readonly upstream?: UpstreamAddress;
  readonly upstreamApiKey?: string;
  readonly upstreamAuthString?: string;
  readonly upstreamOpen?: boolean;
  readonly v1LeaseSeconds?: number;
  readonly retentionDays: number;
  readonly retentionBytes: number;
  readonly prefectVersion?: string;
}

/** Below what is written between two snapshots a smaller bound changes nothing. */
const RETENTION_BYTES_MIN = 2 ** 20;

const DAY_MS = 86_400_000;

/** A server that is asked to stop does so within 5 s, even if requests are still under way. */
const CLOSE_WITHIN_MS = 4500;

export function serveCommand(): Command {
  return addBoundOptions(new Command('serve'))
    .description('serve the slots, kept in a folder; prints one line when it is ready')
    .addOption(
      new Option('--host <host>', 'the address to listen on')
        .env('SLOTKEEPER_LISTEN_HOST')
        .default('127.0.0.1')
        .argParser(hostAddress),
    )
    .addOption(
      new Option('--port <port>', 'the port to listen on; 0 takes a free one')
        .env('SLOTKEEPER_LISTEN_PORT')
        .default(4230)
        .argParser(wholeNumber(0, 65535)),
    )
    .addOption(
      new Option('--data <folder>', 'where it keeps its state')
        .env('SLOTKEEPER_DATA')
        .default('./slotkeeper-data')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--api-key <key>', 'the key that clients must show; without one, all that reach the server may use it')
        .env('SLOTKEEPER_API_KEY')
        .argParser(notEmpty)
        .conflicts('apiKeyFile'),
    )
    .addOption(
      new Option('--api-key-file <file>', 'a file that has that key')
        .env('SLOTKEEPER_API_KEY_FILE')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--api-keys <file>', "a file of named keys with their rights: lines of 'slotkeeper key new'")
        .env('SLOTKEEPER_API_KEYS')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--auth-string <user:pass>', "what clients of Prefect's API may show instead")
        .env('SLOTKEEPER_AUTH_STRING')
        .argParser(notEmpty)
        .conflicts('authStringFile'),
    )
    .addOption(
      new Option('--auth-string-file <file>', 'a file that has that auth string')
        .env('SLOTKEEPER_AUTH_STRING_FILE')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--tls-cert <file>', 'its certificate (PEM): it then serves https')
        .env('SLOTKEEPER_TLS_CERT')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--tls-key <file>', 'the private key of that certificate (PEM)')
        .env('SLOTKEEPER_TLS_KEY')
        .argParser(notEmpty),
    )
    .option('--trust-proxy', 'believe the proxy in front who asks, and over what (X-Forwarded-For, X-Forwarded-Proto)')
    .addOption(
      new Option(
        '--allow-host <name...>',
        'names by which a server on this machine without a key may be asked, besides localhost and addresses',
      ).argParser(collected),
    )
    .addOption(
      new Option('--upstream <url>', 'the Prefect server that answers all but concurrency limits')
        .env('SLOTKEEPER_UPSTREAM')
        .argParser(prefectServer),
    )
    .addOption(
      new Option('--upstream-api-key <key>', 'the key that the Prefect server behind asks for')
        .env('SLOTKEEPER_UPSTREAM_API_KEY')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--upstream-auth-string <user:pass>', 'the auth string that the Prefect server behind asks for')
        .env('SLOTKEEPER_UPSTREAM_AUTH_STRING')
        .argParser(notEmpty),
    )
    .option('--upstream-open', 'let all ask the Prefect server behind, without the key or the auth string of this one')
    .addOption(
      new Option(
        '--v1-lease-seconds <n>',
        "how long a holder of Prefect's v1 may hold its slots; without it, until it releases them",
      )
        .env('SLOTKEEPER_V1_LEASE_SECONDS')
        .argParser(wholeNumber(1, 2 ** 31 - 1)),
    )
    .addOption(
      new Option('--prefect-version <version>', 'the version of Prefect that its clients see')
        .env('SLOTKEEPER_PREFECT_VERSION')
        .argParser(prefectVersion),
    )
    .addOption(
      new Option('--retention-days <n>', 'how many days of history it keeps for those who read events')
        .env('SLOTKEEPER_RETENTION_DAYS')
        .default(7)
        .argParser(wholeNumber(0, 36_500)),
    )
    .addOption(
      new Option('--retention-bytes <size>', 'how much of history it keeps at the most: the oldest goes first')
        .env('SLOTKEEPER_RETENTION_BYTES')
        .default(2 ** 30, '1GiB')
        .argParser(byteCount(RETENTION_BYTES_MIN)),
    )
    .action(serveUntilStopped);
}

/** IPv6 may stand in brackets, as in the line that says that the server is ready. */
function hostAddress(text: string): string {
  return notEmpty(text).replace(/^\[(.*)\]$/, '$1');
}

function collected(name: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, notEmpty(name)];
}

function prefectServer(text: string): UpstreamAddress {
  const address = upstreamAddress(text);
  if (address === undefined) {
    throw new InvalidArgumentError(
      'It must be an address such as http://127.0.0.1:4200, without user, password or query.',
    );
  }
  return address;
}

function prefectVersion(text: string): string {
  if (!/^3\.\d+\.\d+/.test(text)) throw new InvalidArgumentError('It must be a version of Prefect 3, such as 3.8.8.');
  return text;
}

async function serveUntilStopped(options: ServeOptions): Promise<void> {
  const stopAsked = untilStopAsked();
  const waiting = new AbortController();
  void stopAsked.then(() => waiting.abort());
  const server = await start(options, waiting.signal);
  if (!server) return;
  // The server goes on when nobody reads its output any more.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  if (hasFiles(options)) process.on('SIGHUP', () => server.reload());
  const isOpen = !asksForKeys(options);
  // A socket from outside may be open to others than --host says.
  const host = new URL(server.url).hostname;
  if (isOpen && !isLoopback(host)) process.stderr.write(openWarning(host));
  if (options.upstreamOpen && options.upstream && !isOpen && !isLoopback(host)) {
    process.stderr.write(upstreamOpenWarning(host));
  }
  if (!isOpen && !isLoopback(host) && options.tlsCert === undefined && !options.trustProxy) {
    process.stderr.write(clearWarning(host));
  }
  process.stdout.write(`slotkeeper ${server.version} ready on ${server.url} (${server.description})\n`);
  await stopAsked;
  const deadline = setTimeout(() => {
    process.stderr.write(
      `Some requests were still under way after ${CLOSE_WITHIN_MS / 1000} s; stopping without them.\n`,
    );
    process.exit(EXIT.done);
  }, CLOSE_WITHIN_MS);
  await server.close();
  clearTimeout(deadline);
}

/**
 * Resolves at the first SIGTERM or SIGINT. Later ones change nothing: a terminal and npm both pass on one Ctrl-C. A
 * parent that opened a channel to this process, as the demo does, stops it by closing that, even by dying.
 */
function untilStopAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
    process.once('disconnect', () => resolve());
    process.channel?.unref();
  });
}

/** Resolves to undefined if the server was asked to stop before it was ready. */
async function start(options: ServeOptions, signal: AbortSignal): Promise<RunningServer | undefined> {
  const [{ serve }, { pino }] = await Promise.all([import('../serve.ts'), import('pino')]);
  try {
    const { allowHost = [], apiKey = null, authString = null, upstream = null } = options;
    const { v1LeaseSeconds = null, prefectVersion = null, upstreamApiKey, upstreamAuthString } = options;
    const { retentionDays, retentionBytes, apiKeys: apiKeysFile } = options;
    const tls = tlsFiles(options);
    const log = pino(pino.destination(process.stderr.fd));
    const server = await serve({
      ...options,
      socket: inheritedSocket(process.env, process.pid),
      allowedHosts: allowHost,
      apiKey,
      authString,
      apiKeysFile,
      ...(tls && { tls }),
      upstream,
      upstreamCredentials: { apiKey: upstreamApiKey, authString: upstreamAuthString },
      v1LeaseSeconds,
      prefectVersion,
      retention: { ageMs: retentionDays * DAY_MS, bytes: retentionBytes },
      bounds: boundsOf(options),
      signal,
      log,
    });
    log.info(
      `History is kept for ${retentionDays} days and up to ${sizeText(retentionBytes)} (--retention-days, --retention-bytes).`,
    );
    return server;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw listenFailure(error, options) ?? error;
  }
}

function listenFailure(error: unknown, { host, port }: ServeOptions): CommandFailure | undefined {
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new CommandFailure(
        `Port ${port} on ${host} is taken by another program: stop that one, or choose another with --port (0 takes a free one).`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CommandFailure(
        `This machine has no address ${host} to listen on: choose one of its own with --host, or 127.0.0.1 for this machine only.`,
      );
    case 'EACCES':
      return port < 1024 && port > 0
        ? new CommandFailure(`This user may not listen on port ${port}: choose one above 1023 with --port.`)
        : undefined;
    default:
      return undefined;
  }
}

function asksForKeys({ apiKey, apiKeyFile, apiKeys, authString, authStringFile }: ServeOptions): boolean {
  return [apiKey, apiKeyFile, apiKeys, authString, authStringFile].some((option) => option !== undefined);
}

/** SIGHUP reads them again. To a server without any it means what it means to each program: its terminal is gone. */
function hasFiles({ apiKeyFile, apiKeys, authStringFile, tlsCert }: ServeOptions): boolean {
  return [apiKeyFile, apiKeys, authStringFile, tlsCert].some((option) => option !== undefined);
}

function tlsFiles({ tlsCert, tlsKey }: ServeOptions): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert !== undefined && tlsKey !== undefined) return { cert: tlsCert, key: tlsKey };
  const [given, missing] = tlsCert === undefined ? ['--tls-key', '--tls-cert'] : ['--tls-cert', '--tls-key'];
  throw new CommandFailure(`${given} needs ${missing} beside it: a certificate and its private key.`, {
    exitCode: EXIT.usage,
  });
}

function clearWarning(host: string): string {
  return `${[
    '!! WARNING: keys travel unencrypted to this server: others on the way can read and use them.',
    `!! It listens on ${host}, beyond this machine, over http. Give it a certificate (--tls-cert, --tls-key),`,
    '!! or put a proxy in front that serves https, and say --trust-proxy.',
  ].join('\n')}\n`;
}

function openWarning(host: string): string {
  return `${[
    '!! WARNING: this server is open to everyone who can reach it.',
    `!! It listens on ${host}, beyond this machine, and asks for no key: anyone there can take, free and delete slots.`,
    '!! Give it a key with --api-key (SLOTKEEPER_API_KEY), or keep it to this machine with --host 127.0.0.1.',
  ].join('\n')}\n`;
}

function upstreamOpenWarning(host: string): string {
  return `${[
    '!! WARNING: --upstream-open: the Prefect server behind this one is open to everyone who can reach this one.',
    `!! It listens on ${host}, beyond this machine: anyone there can run flows, and delete all that the Prefect server has,`,
    '!! unless it asks for credentials itself. Leave --upstream-open out to ask for the same key as for the limits.',
  ].join('\n')}\n`;
}
