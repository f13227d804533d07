/** The header of a message that passes through. */
import type { IncomingMessage } from 'node:http';
import type { UpstreamAddress } from './address.ts';

/** Names and values in turn, as Node reads and writes them: with their case, their order, and those that come twice. */
export type RawHeaders = string[];

/** They tell of one connection, not of the message. */
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
/** A server that passes a request on writes these anew. */
const FORWARDED = ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'via'];
/** Requests that have a body; one of them without any says so. */
const WITH_BODY = ['POST', 'PUT', 'PATCH'];

/** All but what tells of the connection that it came over, and the names of `without`, in lower case. */
export function endToEnd({ rawHeaders, headers }: IncomingMessage, without: readonly string[] = []): RawHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  const dropped = new Set([...OF_THE_CONNECTION, ...named, ...without]);
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 1 || dropped.has(name.toLowerCase()) ? [] : [name, rawHeaders[at + 1]!],
  );
}

/**
 * A request's header but for where its body ends, with what the upstream is told of who asked, and how.
 *
 * A server reached without TLS is told the host that the client asked for, so that the addresses that it makes of it
 * (redirects, next pages) lead back here. With TLS there may be many servers behind one address, told apart by their own name.
 *
 * @param by how this server is named
 * @param authorization what the upstream is shown in place of the client's
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
  const told = (name: string): string | undefined => headers[name]?.toString();
  const isReplaced = authorization !== headers.authorization;
  const listed = (...items: (string | undefined)[]): string => items.filter(Boolean).join(', ');
  return [
    ...['Host', protocol === 'https:' ? host : asked],
    ...endToEnd(request, [...FORWARDED, 'content-length', ...(isReplaced ? ['authorization'] : []), ...without]),
    ...(isReplaced && authorization !== undefined ? ['Authorization', authorization] : []),
    ...['X-Forwarded-For', listed(told('x-forwarded-for'), socket.remoteAddress)],
    ...['X-Forwarded-Host', told('x-forwarded-host') ?? asked],
    ...['X-Forwarded-Proto', told('x-forwarded-proto') ?? 'http'],
    ...['Via', listed(headers.via, `${httpVersion} ${by}`)],
  ];
}

/** For a library that takes each name once. Of a name that comes twice the values are listed, as HTTP allows. */
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

/** How the upstream is to know where the body of a request ends. */
export function framingOf({ method = 'GET', headers }: IncomingMessage): RawHeaders {
  if (headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked'];
  const length = headers['content-length'] ?? (WITH_BODY.includes(method) ? '0' : undefined);
  return length === undefined ? [] : ['Content-Length', length];
}

/** An answer's header, with redirects that stay here. */
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
 * An address of the upstream's own becomes one of the same path here, which clients resolve against what they asked.
 *
 * @param asked the host that the client asked for
 */
export function locationHere(location: string, { origin, prefix }: UpstreamAddress, asked: string | undefined): string {
  const hasHost = /^([a-z][a-z\d+.-]*:)?\/\//i.test(location);
  const url = URL.parse(location, origin);
  const isOwn = hasHost ? url?.host === new URL(origin).host : prefix !== '' && location.startsWith('/');
  const isBehindUs = hasHost && prefix !== '' && url?.host === asked;
  if (url === null || !(isOwn || isBehindUs) || !`${url.pathname}/`.startsWith(`${prefix}/`)) return location;
  // Two slashes first would be another host.
  return `/${url.pathname.slice(prefix.length).replace(/^\/+/, '')}${url.search}${url.hash}`;
}
