/** Connections to a real server on which things go wrong: in the frames, in the WebSocket below them, in the request before it. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { jsonCodec, type ServerMessage } from '@slotkeeper/protocol';
import { WebSocket } from 'ws';
import type { Random } from '../random.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** A WebSocket on `/session`, with the last that was said on it. */
export class BadSocket {
  readonly #socket: WebSocket;
  last: ServerMessage | undefined;
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      this.last = jsonCodec.decodeServerFrame(data.toString()).messages.at(-1) ?? this.last;
    });
    socket.on('error', () => {});
    socket.on('close', (code) => {
      this.closeCode = code;
    });
  }

  static async open(url: string): Promise<BadSocket> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/session`, { perMessageDeflate: false });
    const bad = new BadSocket(socket);
    await once(socket, 'open');
    return bad;
  }

  get isClosed(): boolean {
    return this.#socket.readyState !== WebSocket.OPEN;
  }

  /** As a text frame; now and then in fragments, or as a binary one, which is not allowed. */
  send(random: Random, text: string): 'text' | 'binary' {
    const dice = random.next();
    if (dice < 0.02) {
      this.#socket.send(Buffer.from(text), { binary: true });
      return 'binary';
    }
    if (dice < 0.1) {
      const bytes = Buffer.from(text);
      const at = random.integer(0, bytes.length);
      this.#socket.send(bytes.subarray(0, at), { fin: false, binary: false });
      this.#socket.send(bytes.subarray(at), { fin: true, binary: false });
    } else {
      this.#socket.send(text);
    }
    return 'text';
  }

  async closed(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) await once(this.#socket, 'close');
  }

  terminate(): void {
    this.#socket.terminate();
  }
}

/** Sends `bytes` over TCP and resolves to what came back until the server closed, or until `deadlineMs` where it may not. */
export async function raw(
  url: string,
  bytes: readonly (string | Buffer)[],
  deadlineMs?: number,
  reset = false,
): Promise<string> {
  const socket = dial(url);
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const part of bytes) socket.write(part);
  if (reset)
    await once(socket, 'connect').then(
      () => socket.resetAndDestroy(),
      () => {},
    );
  const timer = deadlineMs === undefined ? undefined : setTimeout(() => socket.destroy(), deadlineMs);
  await ended;
  clearTimeout(timer);
  return heard;
}

export function dial(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  socket.on('error', () => {});
  return socket;
}

export function upgrade(path: string, ...more: readonly string[]): string {
  const headers = [
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
  ];
  return [`GET ${path} HTTP/1.1`, ...headers, ...more, '', ''].join('\r\n');
}

/** Requests for a WebSocket that are not quite right. */
export function badUpgrade(random: Random): string {
  const whole = upgrade(
    random.pick([
      '/session',
      '/api/events/in',
      '/nope',
      '//',
      '//session',
      'http://[',
      '/session/../x',
      '/%zz',
      '*',
      '/session?a=%',
      '/__proto__',
    ]),
  );
  switch (random.integer(0, 4)) {
    case 0:
      return whole.replace(KEY, random.pick(['', 'x', 'é', 'a'.repeat(10_000)]));
    case 1:
      return whole.replace('Version: 13', `Version: ${random.pick(['0', '-1', '99999999999', 'x'])}`);
    case 2:
      return whole.replace(
        '\r\n\r\n',
        `\r\nOrigin: ${random.pick(['null', 'http://elsewhere', '::', 'http://['])}\r\n\r\n`,
      );
    case 3:
      return whole.replace(
        '\r\n\r\n',
        `\r\nSec-WebSocket-Protocol: ${random.pick(['prefect', ',', 'a,a', '"', 'prefect, '])}\r\n\r\n`,
      );
    default:
      return whole;
  }
}

/** Bytes that may follow a good upgrade: frames of no known kind, unmasked, of impossible lengths, bad UTF-8, or noise. */
export function badBytes(random: Random): Buffer {
  const noise = Buffer.from(Array.from({ length: random.integer(1, 300) }, () => random.integer(0, 255)));
  switch (random.integer(0, 5)) {
    case 0:
      return Buffer.from([0x81, 0x05, ...Buffer.from('[1,2]')]);
    case 1:
      return Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
    case 2:
      return Buffer.from([0x81, 0x84, 0, 0, 0, 0, 0xc3, 0x28, 0xff, 0xfe]);
    case 3:
      return Buffer.from([0x89, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0x01]);
    case 4:
      return Buffer.concat([Buffer.from([0x88, 0x82, 0, 0, 0, 0]), noise]);
    default:
      return noise;
  }
}
