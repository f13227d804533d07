/** Our server as systemd starts it behind a socket unit (`socket_unit.py`): the socket stays open while the server does not run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const UNIT = fileURLToPath(new URL('./socket_unit.py', import.meta.url));
const MAIN = fileURLToPath(new URL('../packages/server/dist/main.js', import.meta.url));

export class SocketUnit implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  #output = '';
  #port = '';

  private constructor(options: readonly string[]) {
    this.#folder = mkdtempSync(join(tmpdir(), 'slotkeeper-socket-'));
    // A port that would be refused, were it not for the socket.
    const serve = [process.execPath, MAIN, 'serve', '--port', '1', '--data', join(this.#folder, 'data'), ...options];
    this.#child = spawn('python3', [UNIT, ...serve], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk;
    });
  }

  /** With its socket open, and no server yet. */
  static async open(...options: string[]): Promise<SocketUnit> {
    const unit = new SocketUnit(options);
    unit.#port = (await unit.#said(/port (\d+)\n/))[1] as string;
    return unit;
  }

  /** `http://127.0.0.1:PORT`, whether a server runs or not. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Resolves to the address in the server's ready line. */
  async start(): Promise<string> {
    this.#output = '';
    this.#child.stdin?.write('start\n');
    return (await this.#said(/ready on (\S+)/))[1] as string;
  }

  /** Resolves to the server's exit code. */
  async stop(): Promise<number> {
    this.#child.stdin?.write('stop\n');
    return Number((await this.#said(/stopped (-?\d+)\n/))[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #said(pattern: RegExp): Promise<RegExpExecArray> {
    const ended = once(this.#child, 'close').then(() => 'ended');
    for (;;) {
      const found = pattern.exec(this.#output);
      if (found) return found;
      const next = await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), ended]);
      if (next === 'ended' && !pattern.test(this.#output)) throw new Error(`It ended. It said: ${this.#output}`);
    }
  }
}
