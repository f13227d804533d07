/** Our server as its users start it: built, in a process of its own, on a free port and a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../packages/server/dist/main.js', import.meta.url));

export interface ServerPlace {
  /** Below it, in `data`, the server keeps its state. Without one: a temporary folder that goes with the server. */
  readonly folder?: string;
  /** The most file descriptors that it may have open; default: as many as this process. */
  readonly openFilesMax?: number;
}

/** It ended before it could serve. */
export class ServerEnded extends Error {
  override readonly name = 'ServerEnded';
  readonly code: number | null;
  readonly output: string;
  constructor(code: number | null, output: string) {
    super(`The server ended with ${code}. It said:\n${output}`);
    this.code = code;
    this.output = output;
  }
}

export class ServerProcess implements AsyncDisposable {
  /** Where all that it acknowledges is kept. */
  readonly data: string;
  readonly #ownFolder: string | null;
  readonly #openFilesMax: number | undefined;
  #child: ChildProcess | null = null;
  #output = '';
  #url = '';

  /** To be started; `ServerProcess.start()` does both. */
  constructor({ folder, openFilesMax }: ServerPlace = {}) {
    this.#ownFolder = folder === undefined ? mkdtempSync(join(tmpdir(), 'slotkeeper-')) : null;
    this.data = join(folder ?? (this.#ownFolder as string), 'data');
    this.#openFilesMax = openFilesMax;
  }

  static async start(...more: string[]): Promise<ServerProcess> {
    const server = new ServerProcess();
    await server.start('0', ...more);
    return server;
  }

  /** `http://127.0.0.1:PORT`; Prefect's API is below `/api`. */
  get url(): string {
    return this.#url;
  }

  get pid(): number {
    return this.#running().pid as number;
  }

  /** All that it has written since it was last started, log and all. */
  get output(): string {
    return this.#output;
  }

  /** Starts it again, on the same folder; by default on the same port. Rejects with `ServerEnded` if it cannot serve. */
  async start(port: string = this.#url ? new URL(this.#url).port : '0', ...more: string[]): Promise<void> {
    const command = [process.execPath, MAIN, 'serve', '--port', port, '--data', this.data, ...more];
    const limited = ['sh', '-c', `ulimit -n ${this.#openFilesMax}; exec "$@"`, 'sh', ...command];
    const [file, ...args] = (this.#openFilesMax === undefined ? command : limited) as [string, ...string[]];
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        if (child === this.#child) this.#output += chunk;
      });
    }
    this.#url = (await this.said(/ready on (http:\/\/\S+) .*\n/))[1] as string;
  }

  /** Resolves once it has written something like that since it was last started, after the first `after` characters. Rejects with `ServerEnded`. */
  async said(pattern: RegExp, after = 0): Promise<RegExpExecArray> {
    const child = this.#running();
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const look = (): void => {
      const found = pattern.exec(this.#output.slice(after));
      if (found) resolve(found);
    };
    const ended = (code: number | null): void => reject(new ServerEnded(code, this.#output));
    look();
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    // After its last words.
    child.once('close', ended).once('error', reject);
    try {
      return await promise;
    } finally {
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
      child.off('close', ended).off('error', reject);
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running().kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child) await this.kill();
    if (this.#ownFolder !== null) rmSync(this.#ownFolder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#running();
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  #running(): ChildProcess {
    if (!this.#child) throw new Error('the server is not running');
    return this.#child;
  }
}
