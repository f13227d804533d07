/** Why a connection failed. The errors of sockets and of OpenSSL name neither the cause nor what to do about it. */
import type { HttpProxy } from '@slotkeeper/protocol/proxy';
import { ServerUnreachableError, unreachable } from './errors.ts';

/** The failure of one attempt to connect. */
export interface ConnectFailure {
  /** The text goes on from "cannot be reached: ". */
  readonly reason: string;
  /** Set if something else than a Slotkeeper server answers at the address, so that another try is of no use. */
  readonly final?: ServerUnreachableError;
}

/** `url`: the URL of the connection; `address`: the address that the user gave. */
export function connectFailure(failure: unknown, url: string, address: string, proxy?: HttpProxy): ConnectFailure {
  // The error of `fetch` itself has no reason; its cause has.
  const seen = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure;
  if (!(seen instanceof Error)) return { reason: String(seen) };
  const code = 'code' in seen ? seen.code : undefined;
  const isTls = /^(https|wss):/.test(url);
  if (isTls && /:wrong version number:|:packet length too long:/.test(seen.message)) {
    const reason = 'what answers there speaks no TLS';
    const message = `The Slotkeeper server at ${address} cannot be reached: ${reason}. Begin its address with http:// instead of https://.`;
    return { reason, final: new ServerUnreachableError(message, { address, reason, isThere: true }, { cause: seen }) };
  }
  const isHangUp = code === 'ECONNRESET' && seen.message === 'socket hang up';
  const reason =
    isHangUp && !isTls
      ? 'what answers there ends the connection; if it speaks TLS, its address begins with https://'
      : // Where a name has several addresses, the error of all of them has a code but no message.
        seen.message.trim() || String(code ?? seen.name);
  return { reason: reason + through(proxy) };
}

/** Whether nobody listens at the address. On this machine that is certain, since no network is in between. */
export function isNobodyThere(reason: string): boolean {
  return reason.includes('ECONNREFUSED');
}

/** The error for an HTTP status in place of a session. */
export function noSession(address: string, status: number, proxy?: HttpProxy): ServerUnreachableError {
  if (status === 407 && proxy)
    return unreachable(address, `the proxy ${proxy.address} asks for credentials: give them in its own address`);
  if (status === 421) {
    const reason = 'it has no key, so it answers only to an address, localhost or a name of its --allow-host';
    const message = `The Slotkeeper server at ${address} does not answer to that name: ${reason}.`;
    return new ServerUnreachableError(message, { address, reason, isThere: true });
  }
  const seen = `HTTP status ${status}${through(proxy)}`;
  return new ServerUnreachableError(
    `Something answers at ${address} (${seen}), but it is no Slotkeeper server. The URL is http(s)://host:port of the server, without a path unless a proxy adds one.`,
    { address, reason: `what answers (${seen}) is no Slotkeeper server` },
  );
}

function through(proxy: HttpProxy | undefined): string {
  return proxy ? `, through the proxy ${proxy.address}` : '';
}
