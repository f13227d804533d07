import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const READY_MAX_MS = 10_000;
const STOP_MAX_MS = 30_000;

export interface Start {
  /** Where it will listen; unless told, the first group of what it prints. */
  readonly url?: string;
  readonly readyMaxMs?: number;
}

/** A contender's server, in a process of its own, with all that this one starts. */
export class ServerProcess {
  readonly pid: number;
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #kill: () => void;

  private constructor(child: ChildProcess, kill: () => void, url: string) {
    this.#child = child;
    this.#kill = kill;
    this.pid = child.pid!;
    this.url = url;
  }

  /** Resolves once the server has printed a line that `ready` matches. */
  static async start(
    command: string,
    args: readonly string[],
    ready: RegExp,
    { url, readyMaxMs = READY_MAX_MS }: Start = {},
  ): Promise<ServerProcess> {
    // In a process group of its own, so that what it has started ends with it.
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const kill = () => killGroup(child);
    // Before its folder is removed.
    process.prependListener('exit', kill);
    const match = await matchOutput(child, [command, ...args].join(' '), ready, readyMaxMs).catch((error) => {
      kill();
      throw error;
    });
    return new ServerProcess(child, kill, url ?? match[1]!);
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

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Both outputs are read on after the match, so that a server that logs is never held up. */
function matchOutput(
  child: ChildProcess,
  commandLine: string,
  ready: RegExp,
  readyMaxMs: number,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (what: string) => reject(new Error(`${commandLine} ${what}. It printed:\n${output.slice(-2000)}`));
    const timer = setTimeout(() => fail(`was not ready within ${readyMaxMs} ms`), readyMaxMs);
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
