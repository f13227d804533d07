/** A Python with an unmodified Prefect, in `.venv/` at the root of the repository, made when it is first needed. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const REQUIREMENTS = ['prefect==3.8.8', 'fastapi==0.141.1', 'starlette>=1.0.1'];
const FOLDER = fileURLToPath(new URL('../../.venv', import.meta.url));
/** Written last: says what is installed, and that it is complete. */
const STAMP = `${FOLDER}/requirements`;

/** Why there can be no Python here; undefined if there can. A test that needs it is skipped for this reason. */
export function whyNoPython(): string | undefined {
  const { error, status } = spawnSync('python3', ['-c', 'import venv, ensurepip']);
  if (error !== undefined) return 'python3 is not installed';
  return status === 0 ? undefined : 'python3 has no venv module (on Debian: apt install python3-venv)';
}

/**
 * Makes the virtual environment if it is not there as it should be; a minute at most with a package index near by.
 *
 * @returns the folder of its commands: `python`, `prefect`
 */
export function prefectCommands(): string {
  const wanted = REQUIREMENTS.join('\n');
  if (installed() !== wanted) {
    rmSync(FOLDER, { recursive: true, force: true });
    run('python3', ['-m', 'venv', FOLDER]);
    run(`${FOLDER}/bin/pip`, ['install', '--quiet', '--disable-pip-version-check', ...REQUIREMENTS]);
    writeFileSync(STAMP, wanted);
  }
  return `${FOLDER}/bin`;
}

function installed(): string | undefined {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return undefined;
  }
}

function run(command: string, args: readonly string[]): void {
  const { error, status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
  }
}
