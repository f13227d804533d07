/** The demo's processes: a server and its workers, started, killed and ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { CommandFailure } from '@slotkeeper/terminal';
import type { Order, Report } from './reports.ts';

/** No slow machine needs as long. A server that takes longer hangs, and is killed. */
const READY_WITHIN_MS = 120_000;
const STOPPED_WITHIN_MS = 60_000;

export interface ServerProcess {
  readonly url: string;
  /** Kill -9; resolves once it is gone. */
  kill(): Promise<void>;
  /** Asks it to stop; resolves to its exit code, null if it had to be killed. */
  stop(): Promise<number | null>;
}

export interface WorkerProcess {
  readonly number: number;
  /** Resolves once it is gone, to the last that it said on stderr. */
  readonly gone: Promise<string>;
  order(order: Order): void;
  /** Kill -9. */
  kill(): void;
}

/** All that were started, so that none is left behind, however the demo ends. */
export class Processes {
  readonly #command: string;
  readonly #children = new Set<ChildProcess>();

  /** @param command the file of the `slotkeeper` command */
  constructor(command: string) {
    this.#command = command;
  }

  /** The ones that have not ended. */
  get alive(): number {
    return this.#children.size;
  }

  /** Starts `slotkeeper serve` on `data`; resolves when it is ready. Port 0 takes a free one. */
  async server(data: string, port: number): Promise<ServerProcess> {
    const child = this.#fork(this.#command, ['serve', '--host', '127.0.0.1', '--port', String(port), '--data', data]);
    const url = await readyUrl(child);
    return {
      url,
      kill: async () => {
        child.kill('SIGKILL');
        await gone(child);
      },
      stop: async () => {
        child.kill('SIGTERM');
        const deadline = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
        await gone(child);
        clearTimeout(deadline);
        return child.exitCode;
      },
    };
  }

  /** Starts a worker on the limit `limit` of the server at `url`. */
  worker(
    number: number,
    to: { readonly url: string; readonly limit: string; readonly ttlSeconds: number },
    onReport: (report: Report) => void,
  ): WorkerProcess {
    const child = this.#fork(workerFile(), [to.url, to.limit, String(to.ttlSeconds), `worker ${number}`]);
    child.on('message', (report) => onReport(report as Report));
    child.stdout!.resume();
    const stderr = lastOf(child.stderr!);
    return {
      number,
      gone: gone(child).then(stderr),
      order: (order) => child.send(order),
      kill: () => child.kill('SIGKILL'),
    };
  }

  /** Kills what is still there; resolves once all are gone. */
  async end(): Promise<void> {
    await Promise.all(
      [...this.#children].map(async (child) => {
        child.kill('SIGKILL');
        await gone(child);
      }),
    );
  }

  #fork(file: string, args: readonly string[]): ChildProcess {
    const child = fork(file, args, { env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }
}

/** The worker's own file, beside this one: built, it is `demo-worker.js` beside the bundle. */
function workerFile(): string {
  const name = import.meta.url.endsWith('.ts') ? './worker.ts' : './demo-worker.js';
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Settings meant for other servers (a key, an address) are not the demo's. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLOTKEEPER_')));
}

async function readyUrl(child: ChildProcess): Promise<string> {
  const stderr = lastOf(child.stderr!);
  const timeout = AbortSignal.timeout(READY_WITHIN_MS);
  const stop = () => child.kill('SIGKILL');
  timeout.addEventListener('abort', stop);
  try {
    for await (const line of createInterface({ input: child.stdout! })) {
      const url = /ready on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) return url;
    }
  } finally {
    timeout.removeEventListener('abort', stop);
    child.stdout!.resume();
  }
  throw new CommandFailure(`The demo's server did not start: ${stderr()}`);
}

/** Reads the stream to its end; the function it returns gives the last lines so far. */
function lastOf(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-2000);
  });
  return () => text.trim() || '(it said nothing)';
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
