import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import type { Caller, Contender, Held } from './contender.ts';
import { ServerProcess } from './server-process.ts';

/**
 * The bound: a pair is two echoes, and no one decides or keeps anything. What the callers send in one turn of the event
 * loop goes in one frame, as in the session protocol.
 */
export const wsEcho: Contender = {
  name: 'ws-echo',
  durable: 'no',
  server: {
    name: 'ws-echo',
    missing: () => undefined,
    serve: () =>
      ServerProcess.start(
        process.execPath,
        [fileURLToPath(new URL('./echo-server.ts', import.meta.url))],
        /ready on (\S+)/,
      ),
  },
  async separate(url, count) {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await once(socket, 'open');
    const echo = new Echo(socket);
    return {
      callers: Array.from({ length: count }, (_, i) => new EchoCaller(echo, `bench-${i}`)),
      async close() {
        socket.close();
        await once(socket, 'close');
      },
    };
  },
};

type Message = readonly [id: number, type: string, limit: string, slots: number];

class Echo {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, () => void>();
  #outgoing: Message[] = [];
  #lastId = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (frame) => {
      for (const [id] of JSON.parse(String(frame)) as Message[]) {
        this.#waiting.get(id)!();
        this.#waiting.delete(id);
      }
    });
  }

  send(type: string, limit: string): Promise<void> {
    return new Promise((resolve) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, resolve);
      if (this.#outgoing.push([id, type, limit, 1]) === 1) process.nextTick(() => this.#flush());
    });
  }

  #flush(): void {
    const frame = JSON.stringify(this.#outgoing);
    this.#outgoing = [];
    this.#socket.send(frame);
  }
}

class EchoCaller implements Caller, Held {
  readonly #echo: Echo;
  readonly #limit: string;

  constructor(echo: Echo, limit: string) {
    this.#echo = echo;
    this.#limit = limit;
  }

  acquire(): Promise<Held> {
    return this.#echo.send('acquire', this.#limit).then(() => this);
  }

  release(): Promise<void> {
    return this.#echo.send('release', this.#limit);
  }
}
