/** Our server as its users start it: built, in a process of its own, on a free port and a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../packages/server/dist/main.js', import.meta.url));

export class ServerProcess implements AsyncDisposable {
  /** Where all that it acknowledges is kept. */
  readonly data = join(mkdtempSync(join(tmpdir(), 'slotkeeper-')), 'data');
  #child: ChildProcess | null = null;
  #url = '';

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

  /** Starts it again, on the same folder; on the same port unless told otherwise. */
  async start(port: string = new URL(this.#url).port, ...more: string[]): Promise<void> {
    const child = spawn(process.execPath, [MAIN, 'serve', '--port', port, '--data', this.data, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#url = await readyUrl(child);
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
    rmSync(join(this.data, '..'), { recursive: true, force: true });
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

/** The address in the line that `serve` prints when it can serve. */
async function readyUrl(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = '';
  const read = (chunk: Buffer): void => {
    output += chunk;
    const url = /ready on (http:\/\/\S+) .*\n/.exec(output)?.[1];
    if (url !== undefined) resolve(url);
  };
  child.stdout?.on('data', read);
  child.stderr?.on('data', read);
  child.once('exit', (code) => reject(new Error(`The server ended with ${code}. It said:\n${output}`)));
  child.once('error', reject);
  return await promise;
}
