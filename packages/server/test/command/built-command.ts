/** The command as its users have it: built, and run as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type Keeper } from 'slotkeeper';
import { afterAll, beforeAll, beforeEach, onTestFinished } from 'vitest';

/** The command from its sources, as it runs in a checkout that was never built. */
const UNBUILT = ['--conditions=slotkeeper:source', fileURLToPath(new URL('../../src/main.ts', import.meta.url))];
export const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Ending {
  /** Null if it was ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  #stdout = '';
  #stderr = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>>, program: readonly string[]) {
    this.child = spawn(process.execPath, [...program, ...args], { env: { ...plainEnvironment(), ...env } });
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code]) => ({ code, stdout: this.#stdout, stderr: this.#stderr }));
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** The first match in what it has printed on stdout so far, or does next. Rejects if it ends without. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout);
      if (match) return match;
      const ending = await Promise.race([once(this.child.stdout!, 'data').then(() => undefined), this.ended]);
      if (ending && !pattern.test(ending.stdout)) throw new Error(`it ended first: ${JSON.stringify(ending)}`);
    }
  }
}

/** Starts the command. It ends with the test at the latest. */
export function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  return untilTestFinished(built(args, env));
}

export function startUnbuilt(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  return untilTestFinished(new Run(args, env, UNBUILT));
}

function built(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run 'npm run build' first`);
  return new Run(args, env, [MAIN]);
}

function untilTestFinished(run: Run): Run {
  onTestFinished(() => run.kill());
  return run;
}

export async function slotkeeper(...args: string[]): Promise<Ending> {
  return await start(args).ended;
}

export interface SharedServer {
  readonly url: string;
  /** A client of the server. */
  readonly keeper: Keeper;
}

/** One server for all tests of a file. Each test begins without limits. */
export function sharedServer(): SharedServer {
  const shared = {} as { -readonly [K in keyof SharedServer]: SharedServer[K] };
  let run: Run;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
    run = built(['serve', '--port', '0', '--data', folder]);
    const [, url] = await run.printed(/ready on (\S+)/);
    shared.url = url!;
    shared.keeper = await connect(url!);
  });
  beforeEach(async () => {
    const { limits } = shared.keeper;
    for await (const { name } of limits.list()) await limits.delete(name, { force: true });
  });
  afterAll(async () => {
    await shared.keeper?.close();
    await run.kill();
    await rm(folder, { recursive: true, force: true });
  });
  return shared;
}

/** A server on a free port and a folder of its own; resolves when it is ready. */
export async function startServer(
  more: readonly string[] = [],
): Promise<{ readonly run: Run; readonly url: string; readonly data: string }> {
  const data = join(await temporaryFolder(), 'data');
  const run = start(['serve', '--port', '0', '--data', data, ...more]);
  const [, url] = await run.printed(/ready on (\S+)/);
  return { run, url: url!, data };
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Asks until somebody waits. */
export async function untilSomeoneWaits(keeper: Keeper): Promise<void> {
  while ((await keeper.waiters()).length === 0);
}

function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLOTKEEPER_')));
}
