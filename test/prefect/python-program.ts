/** A program in Python beside these tests, which knows nothing of Slotkeeper: it has Prefect, unmodified, and the address of an API. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QUIET } from './prefect-server.ts';
import { prefectCommands } from './venv.ts';

/** What Prefect's client says when its program ends while its last events are on their way. */
const FAREWELL = /^Still processing items: .*\n/gm;

export interface PythonEnded {
  /** null: it was ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class PythonProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #home: string;
  readonly #over: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  private constructor(child: ChildProcess, home: string) {
    this.#child = child;
    this.#home = home;
    this.#over = once(child, 'close');
    child.stdout?.on('data', (chunk) => (this.#stdout += chunk));
    child.stderr?.on('data', (chunk) => (this.#stderr += chunk));
  }

  /**
   * @param file of this folder
   * @param settings Prefect's, as environment variables; `PREFECT_API_URL` at least
   */
  static async start(
    file: string,
    args: readonly string[],
    settings: Readonly<Record<string, string>>,
  ): Promise<PythonProgram> {
    const home = mkdtempSync(join(tmpdir(), 'slotkeeper-python-'));
    const child = spawn(`${await prefectCommands()}/python`, [join(import.meta.dirname, file), ...args], {
      env: { PATH: process.env.PATH, HOME: home, PREFECT_HOME: home, ...QUIET, ...settings },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return new PythonProgram(child, home);
  }

  /** Runs one to its end. */
  static async run(...what: Parameters<typeof PythonProgram.start>): Promise<PythonEnded> {
    await using program = await PythonProgram.start(...what);
    return await program.end();
  }

  /** Resolves once it has printed the text. Rejects if it ends without. */
  async said(text: string): Promise<void> {
    const ended = this.#over.then(() => 'ended');
    while (!this.#stdout.includes(text)) {
      const next = await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), ended]);
      if (next === 'ended' && !this.#stdout.includes(text)) {
        throw new Error(`It ended without '${text}'. It said:\n${this.#stdout}${this.#stderr}`);
      }
    }
  }

  /** Ends its input, for which some programs wait, and waits for its end. */
  async end(): Promise<PythonEnded> {
    this.#child.stdin?.end();
    await this.#over;
    return { code: this.#child.exitCode, stdout: this.#stdout, stderr: this.#stderr.replace(FAREWELL, '') };
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }
}
