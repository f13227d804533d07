/** A bad network: a TCP proxy before the server that delays, cuts, half-closes, falls silent and loses what it has read. */
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Random } from '../random.ts';

/** What can befall a piece of data on its way. */
export type Mishap =
  /** It comes late, and so does all behind it. */
  | 'delay'
  /** It is passed on, then both ends are cut off. */
  | 'cut'
  /** It is lost, then both ends are cut off: a reply to what has been done, or a request that never came. */
  | 'drop'
  /** It is the last one of its direction, which is closed in order; the other goes on. */
  | 'half-close'
  /** This data and all behind it is lost, and neither end is notified; the other direction goes on. */
  | 'silence';

const MISHAPS: readonly Mishap[] = ['delay', 'delay', 'cut', 'drop', 'drop', 'half-close', 'silence'];
const DELAY_MS_MAX = 100;

export class BadNetwork implements AsyncDisposable {
  /** How often each happened. */
  readonly counts: Record<Mishap, number> = { delay: 0, cut: 0, drop: 0, 'half-close': 0, silence: 0 };
  /** The part of all pieces that something befalls; 0: a good network. */
  badness = 0;
  readonly #target: URL;
  readonly #random: Random;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { readonly until: number; readonly resolve: () => void } | null = null;

  private constructor(target: string, random: Random) {
    this.#target = new URL(target);
    this.#random = random;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  static async start(target: string, random: Random): Promise<BadNetwork> {
    const network = new BadNetwork(target, random);
    network.#server.listen(0, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  /** Resolves after so many more mishaps. */
  async mishaps(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { until: this.total + count, resolve };
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    const server = dial({ host: this.#target.hostname, port: Number(this.#target.port), allowHalfOpen: true });
    const cut = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    this.#pass(client, server, cut);
    this.#pass(server, client, cut);
  }

  #pass(from: Socket, to: Socket, cut: () => void): void {
    let isClosed = false;
    let inOrder = Promise.resolve();
    const write = (piece: Buffer): void => void inOrder.then(() => !to.destroyed && to.writable && to.write(piece));
    const end = (): void => void inOrder.then(() => to.end());
    from.on('end', () => {
      if (!isClosed) end();
    });
    from.on('data', (piece) => {
      if (isClosed) return;
      const mishap = this.#mishap();
      if (mishap === 'delay') inOrder = inOrder.then(() => setTimeout(this.#random.integer(1, DELAY_MS_MAX)));
      if (mishap !== 'drop' && mishap !== 'silence') write(piece);
      if (mishap === 'cut' || mishap === 'drop') cut();
      if (mishap === 'half-close') end();
      isClosed = mishap === 'half-close' || mishap === 'silence';
    });
  }

  #mishap(): Mishap | null {
    if (this.#random.next() >= this.badness) return null;
    const mishap = this.#random.pick(MISHAPS);
    this.counts[mishap] += 1;
    if (this.#waiting && this.total >= this.#waiting.until) {
      this.#waiting.resolve();
      this.#waiting = null;
    }
    return mishap;
  }
}
