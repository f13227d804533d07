/** A Python with an unmodified Prefect, in `.venv/` at the root of the repository, made when it is first needed. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const REQUIREMENTS = ['prefect==3.8.8', 'fastapi==0.141.1', 'starlette>=1.0.1'];
const FOLDER = fileURLToPath(new URL('../../.venv', import.meta.url));
const ENVIRONMENT = `${FOLDER}/prefect`;
/** Written last: says what is installed, and that it is complete. */
const STAMP = `${ENVIRONMENT}/requirements`;
/** Test files run side by side, and only one of them is to make the environment. Holds the maker's process id. */
const LOCK = `${FOLDER}/lock`;
const POLL_MS = 200;

/** Why there can be no Python here; undefined if there can. */
export function whyNoPython(): string | undefined {
  const { error, status } = spawnSync('python3', ['-c', 'import venv, ensurepip']);
  if (error !== undefined) return 'python3 is not installed';
  return status === 0 ? undefined : 'python3 has no venv module (on Debian: apt install python3-venv)';
}

/**
 * Makes the virtual environment if it is not there as it should be, in about half a minute.
 *
 * @returns the folder of its commands: `python`, `prefect`
 */
export async function prefectCommands(): Promise<string> {
  const wanted = REQUIREMENTS.join('\n');
  if (textOf(STAMP) !== wanted) {
    await withLock(async () => {
      if (textOf(STAMP) === wanted) return;
      rmSync(ENVIRONMENT, { recursive: true, force: true });
      await promisify(execFile)('python3', ['-m', 'venv', ENVIRONMENT]);
      await promisify(execFile)(`${ENVIRONMENT}/bin/pip`, ['install', '--quiet', ...REQUIREMENTS]);
      writeFileSync(STAMP, wanted);
    });
  }
  return `${ENVIRONMENT}/bin`;
}

async function withLock(work: () => Promise<void>): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  while (!takesLock()) {
    if (!isRunning(Number(textOf(LOCK)))) rmSync(LOCK, { force: true });
    await delay(POLL_MS);
  }
  try {
    await work();
  } finally {
    rmSync(LOCK);
  }
}

function takesLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
