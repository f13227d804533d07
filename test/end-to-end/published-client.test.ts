/** The client as it is published, in programs that are no ES modules. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../run-program.ts';
import { ServerProcess } from '../server-process.ts';

const run = promisify(execFile);

let server: ServerProcess;
let folder: string;
beforeAll(async () => {
  server = await ServerProcess.start();
  folder = mkdtempSync(join(tmpdir(), 'slotkeeper-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** Takes a slot of a limit of its own, and prints how many were taken meanwhile. */
const program = (limit: string): string => `
import { connect } from 'slotkeeper';
async function main(): Promise<void> {
  const keeper = await connect(process.argv[2]);
  await keeper.limits.ensure('${limit}', { slots: 1 });
  const { taken } = await keeper.concurrency('${limit}', () => keeper.limits.get('${limit}'));
  console.log(taken);
  await keeper.close();
}
void main();
`;

test('a bundle to CommonJS holds a slot', async () => {
  const bundle = join(folder, 'bundle.cjs');
  await run(join(ROOT, 'node_modules/.bin/esbuild'), [
    write('bundled.ts', program('bundled')),
    '--bundle',
    '--platform=node',
    '--format=cjs',
    '--log-override:empty-import-meta=error',
    `--outfile=${bundle}`,
  ]);
  expect((await run(process.execPath, [bundle, server.url])).stdout).toBe('1\n');
});

test('TypeScript that becomes CommonJS compiles, with the lib that the README asks for, and holds a slot', async () => {
  const source = write('required.cts', program('required'));
  write('others.cts', "import 'slotkeeper/v1';\nimport 'slotkeeper/prefect';\n");
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = ['--module', 'node16', '--target', 'es2022', '--lib', 'es2022', '--types', 'node', '--strict'];
  await run(process.execPath, [tsc, ...options, source, join(folder, 'others.cts')], { cwd: folder });
  expect((await run(process.execPath, [join(folder, 'required.cjs'), server.url])).stdout).toBe('1\n');
});
