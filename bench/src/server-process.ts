import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const READY_MAX_MS = 10_000;
const STOP_MAX_MS = 10_000;

/** A contender's server, in a process of its own. */
export class ServerProcess {
  readonly pid: number;
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #kill = () => this.#child.kill('SIGKILL');

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.pid = child.pid!;
    this.url = url;
    process.on('exit', this.#kill);
  }

  /**
   * Resolves once the server has printed a line that `ready` matches.
   * @param url where it will listen; undefined: the match's first group
   */
  static async start(command: string, args: readonly string[], ready: RegExp, url?: string): Promise<ServerProcess> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const match = await matchOutput(child, [command, ...args].join(' '), ready).catch((error) => {
      child.kill('SIGKILL');
      throw error;
    });
    return new ServerProcess(child, url ?? match[1]!);
  }

  /** Asks it to end, and ends it if it does not. */
  async stop(): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const timer = setTimeout(this.#kill, STOP_MAX_MS);
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
    clearTimeout(timer);
  }
}

/** Both outputs are read on after the match, so that a server that logs is never held up. */
function matchOutput(child: ChildProcess, commandLine: string, ready: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (what: string) => reject(new Error(`${commandLine} ${what}. It printed:\n${output.slice(-2000)}`));
    const timer = setTimeout(() => fail(`was not ready within ${READY_MAX_MS} ms`), READY_MAX_MS);
    let found = false;
    const read = (chunk: Buffer) => {
      if (found) return;
      output += chunk;
      const match = ready.exec(output);
      if (!match) return;
      found = true;
      clearTimeout(timer);
      resolve(match);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code} before it was ready`);
    });
  });
}
