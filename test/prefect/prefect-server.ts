/** A stock Prefect server of one's own, on a free port, with its data in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { prefectCommands } from './venv.ts';

const POLL_MS = 200;
const BUSY_TRIES_MAX = 50;

/** Keeps Prefect, server and client, from calling anywhere else. */
export const QUIET: Readonly<Record<string, string>> = {
  DO_NOT_TRACK: '1',
  PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
};

export class PrefectServer implements AsyncDisposable {
  /** Of the API: `http://127.0.0.1:PORT/api`. */
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #home: string;

  private constructor(url: string, process: ChildProcess, home: string) {
    this.url = url;
    this.#process = process;
    this.#home = home;
  }

  /** @param settings Prefect's, as environment variables */
  static async start(settings: Record<string, string> = {}): Promise<PrefectServer> {
    const commands = await prefectCommands();
    const port = await freePort();
    const home = mkdtempSync(join(tmpdir(), 'slotkeeper-prefect-'));
    const child = spawn(`${commands}/prefect`, ['server', 'start', '--host', '127.0.0.1', '--port', String(port)], {
      env: { PATH: `${commands}:${process.env.PATH}`, HOME: home, PREFECT_HOME: home, ...QUIET, ...settings },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log += chunk));
    const server = new PrefectServer(`http://127.0.0.1:${port}/api`, child, home);
    try {
      await server.#healthy();
    } catch (error) {
      await server.stop();
      throw new Error(`The Prefect server did not start. It said:\n${log}`, { cause: error });
    }
    return server;
  }

  /** Asks the API, as an administrator would by hand. */
  get<T>(path: string): Promise<T> {
    return this.#ask(path, { method: 'GET' });
  }

  post<T>(path: string, body: unknown): Promise<T> {
    const headers = { 'Content-Type': 'application/json' };
    return this.#ask(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
      await exited;
      clearTimeout(timer);
    }
    rmSync(this.#home, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** A stock server over SQLite answers 503 whenever two of its parts write at once; nothing has happened then. */
  async #ask<T>(path: string, init: RequestInit): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const answer = await fetch(this.url + path, init);
      if (answer.ok) return (await answer.json()) as T;
      if (answer.status !== 503 || tries === BUSY_TRIES_MAX) {
        throw new Error(`${init.method} ${path} was answered with ${answer.status}: ${await answer.text()}`);
      }
      await delay(POLL_MS);
    }
  }

  async #healthy(): Promise<void> {
    for (;;) {
      const { exitCode, signalCode } = this.#process;
      if (exitCode !== null || signalCode !== null) throw new Error(`it exited with ${exitCode ?? signalCode}`);
      const isHealthy = await fetch(`${this.url}/health`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (isHealthy) return;
      await delay(POLL_MS);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return address.port;
}
