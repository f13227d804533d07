/** The header of a message that passes through. */
import type { IncomingMessage } from 'node:http';
import type { UpstreamAddress } from './address.ts';

/** Names and values in turn, as Node reads and writes them: it keeps their case, their order and repeated names. */
export type RawHeaders = string[];

/** Headers about one connection, not about the message: they are never passed on. */
const OF_THE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** A proxy writes these headers itself. */
const FORWARDED = ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'via'];
/** Methods whose requests have a body. One without a body says so by `Content-Length: 0`. */
const WITH_BODY = ['POST', 'PUT', 'PATCH'];

/** The headers that are passed on: all except those about the connection and those of `without`, in lower case. */
export function endToEnd({ rawHeaders, headers }: IncomingMessage, without: readonly string[] = []): RawHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const dropped = new Set([...OF_THE_CONNECTION, ...named, ...without]);
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 1 || dropped.has(name.toLowerCase()) ? [] : [name, rawHeaders[at + 1]!],
  );
}

/**
 * The headers of a request to the upstream, without those that say where its body ends (`framingOf`). `X-Forwarded-…` and
 * `Via` say who asked, and how.
 *
 * Without TLS the upstream gets the host that the client asked for, so that the addresses it builds from that (redirects, next
 * pages) lead back here. With TLS it gets its own host: many servers may share its address and be distinguished by that name.
 *
 * @param by this server's name in `Via`
 * @param authorization replaces the client's `Authorization`
 */
export function headersThere(
  request: IncomingMessage,
  { origin }: UpstreamAddress,
  by: string,
  authorization: string | undefined,
  without: readonly string[] = [],
): RawHeaders {
  const { headers, httpVersion, socket } = request;
  const { protocol, host } = new URL(origin);
  const asked = headers.host ?? host;
  const received = (name: string): string | undefined => headers[name]?.toString();
  const isReplaced = authorization !== headers.authorization;
  const listed = (...items: (string | undefined)[]): string => items.filter(Boolean).join(', ');
  return [
    ...['Host', protocol === 'https:' ? host : asked],
    ...endToEnd(request, [...FORWARDED, 'content-length', ...(isReplaced ? ['authorization'] : []), ...without]),
    ...(isReplaced && authorization !== undefined ? ['Authorization', authorization] : []),
    ...['X-Forwarded-For', listed(received('x-forwarded-for'), socket.remoteAddress)],
    ...['X-Forwarded-Host', received('x-forwarded-host') ?? asked],
    ...['X-Forwarded-Proto', received('x-forwarded-proto') ?? 'http'],
    ...['Via', listed(headers.via, `${httpVersion} ${by}`)],
  ];
}

/** The headers for a library that takes each name once: the values of a repeated name are joined to a list, as HTTP allows. */
export function byName(headers: RawHeaders): Record<string, string> {
  const byName: Record<string, string> = {};
  headers.forEach((name, at) => {
    if (at % 2 === 1) return;
    const before = byName[name];
    const separator = /^cookie$/i.test(name) ? '; ' : ', ';
    byName[name] = before === undefined ? headers[at + 1]! : before + separator + headers[at + 1]!;
  });
  return byName;
}

/** The headers that say where the body of a request ends. */
export function framingOf({ method = 'GET', headers }: IncomingMessage): RawHeaders {
  if (headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked'];
  const length = headers['content-length'] ?? (WITH_BODY.includes(method) ? '0' : undefined);
  return length === undefined ? [] : ['Content-Length', length];
}

/** The headers of an answer. Redirects to the upstream become redirects to this server. */
export function headersHere(
  answer: IncomingMessage,
  address: UpstreamAddress,
  asked: string | undefined,
  without: readonly string[] = [],
): RawHeaders {
  const headers = endToEnd(answer, without);
  return headers.map((value, at) =>
    at % 2 === 1 && /^(content-)?location$/i.test(headers[at - 1]!) ? locationHere(value, address, asked) : value,
  );
}

/**
 * Turns an address at the upstream into a path here. A client resolves that against the address that it asked.
 *
 * @param asked the host that the client asked for
 */
export function locationHere(location: string, { origin, prefix }: UpstreamAddress, asked: string | undefined): string {
  const hasHost = /^([a-z][a-z\d+.-]*:)?\/\//i.test(location);
  const url = URL.parse(location, origin);
  const isOwn = hasHost ? url?.host === new URL(origin).host : prefix !== '' && location.startsWith('/');
  const isBehindUs = hasHost && prefix !== '' && url?.host === asked;
  if (url === null || !(isOwn || isBehindUs) || !`${url.pathname}/`.startsWith(`${prefix}/`)) return location;
  // A path that begins with two slashes would be read as another host.
  return `/${url.pathname.slice(prefix.length).replace(/^\/+/, '')}${url.search}${url.hash}`;
}
