/** Connections that have left HTTP: bytes go both ways as they come. */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import { endToEnd } from './headers.ts';

/** The interval of TCP's keep-alive: the system detects a peer that vanished after a few of them. */
const KEEP_ALIVE_MS = 30_000;

export interface TunnelEnds {
  /** The client's end. */
  readonly near: Duplex;
  readonly far: Duplex;
  /** The bytes that the upstream sent right after it agreed to the upgrade. */
  readonly farHead: Buffer;
  readonly agreement: IncomingMessage;
}

export class Tunnels {
  readonly #near = new Set<Duplex>();

  /**
   * Call before the upstream is asked.
   *
   * @param near the client's end
   * @param head the bytes that it has sent already
   */
  begin(near: Duplex, head: Buffer): void {
    this.#near.add(near);
    near.once('close', () => this.#near.delete(near));
    near.unshift(head);
    near.on('readable', lookForEnd).on('end', end);
  }

  /** From now on somebody else reads the client's end. `close` still ends it. */
  handOver(near: Duplex): void {
    near.off('readable', lookForEnd).off('end', end);
  }

  open({ near, far, farHead, agreement }: TunnelEnds): void {
    this.handOver(near);
    for (const socket of [near, far] as Socket[]) socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true);
    near.write(headOf(agreement), 'latin1');
    far.unshift(farHead);
    const ended = (): void => {};
    pipeline(near, far, ended);
    pipeline(far, near, ended);
  }

  close(): void {
    for (const near of this.#near) near.destroy();
  }
}

/** Lets a connection that nobody reads show that it has ended. It takes no bytes. */
function lookForEnd(this: Duplex): void {
  this.read(0);
}

function end(this: Duplex): void {
  this.destroy();
}

function headOf(answer: IncomingMessage): string {
  const headers = ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? 'websocket', ...endToEnd(answer)];
  const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}\r\n`] : []));
  return `HTTP/1.1 101 ${answer.statusMessage}\r\n${lines.join('')}\r\n`;
}

/** A response on a connection that asked for an upgrade and does not get one. The connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket);
  response.once('finish', () => socket.end(() => socket.destroy()));
  return response;
}
