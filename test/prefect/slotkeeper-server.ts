/** Our server as its users start it: built, in a process of its own, on a free port and a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../packages/server/dist/main.js', import.meta.url));

export class SlotkeeperServer implements AsyncDisposable {
  /** `http://127.0.0.1:PORT`; Prefect's API is below `/api`. */
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(url: string, process: ChildProcess, data: string) {
    this.url = url;
    this.#process = process;
    this.#data = data;
  }

  static async start(): Promise<SlotkeeperServer> {
    const data = mkdtempSync(join(tmpdir(), 'slotkeeper-data-'));
    const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--data', data], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.on('data', (chunk) => (log += chunk));
    try {
      return new SlotkeeperServer(await readyAt(child), child, data);
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(data, { recursive: true, force: true });
      throw new Error(`The Slotkeeper server did not start. It said:\n${log}`, { cause: error });
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      await exited;
    }
    rmSync(this.#data, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The address in the line that `serve` prints when it can serve. */
async function readyAt(child: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
    const url = /ready on (http:\/\/\S+)/.exec(output)?.[1];
    if (url !== undefined && output.includes('\n')) resolve(url);
  });
  child.once('exit', (code) => reject(new Error(`it exited with ${code}`)));
  child.once('error', reject);
  return promise;
}
