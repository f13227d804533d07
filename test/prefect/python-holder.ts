/** A Python program that holds a slot of a global limit, with Prefect's own client. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { QUIET } from './prefect-server.ts';
import { prefectCommands } from './venv.ts';

const PROGRAM = fileURLToPath(new URL('hold.py', import.meta.url));

export class PythonHolder implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #home: string;
  #output = '';

  private constructor(child: ChildProcess, home: string) {
    this.#child = child;
    this.#home = home;
  }

  /** @param apiUrl of the server that has the limit */
  static async start(apiUrl: string, limit: string): Promise<PythonHolder> {
    const home = mkdtempSync(join(tmpdir(), 'slotkeeper-python-'));
    const child = spawn(`${await prefectCommands()}/python`, [PROGRAM, limit], {
      env: { PATH: process.env.PATH, HOME: home, PREFECT_HOME: home, PREFECT_API_URL: apiUrl, ...QUIET },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const holder = new PythonHolder(child, home);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (holder.#output += chunk));
    return holder;
  }

  /** Resolves once it holds its slot. */
  async held(): Promise<void> {
    const ended = once(this.#child, 'close');
    while (!this.#output.includes('held')) {
      const over = await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), ended.then(() => 'ended')]);
      if (over === 'ended')
        throw new Error(`The Python program ended before it held its slot. It said:\n${this.#output}`);
    }
  }

  /** Lets it give its slot back and end. */
  async release(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.stdin?.end();
    const [code] = await ended;
    if (code !== 0) throw new Error(`The Python program ended with ${code}. It said:\n${this.#output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'close');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#home, { recursive: true, force: true });
  }
}
