/** README's examples run as they are written, against a real server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ServerProcess } from './server-process.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The first fenced block of the language. */
function example(language: string): string {
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  if (block === undefined) throw new Error(`README has no ${language} block`);
  return block;
}

async function run(
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, args, { cwd: root, env: { ...process.env, ...env } });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, output };
}

describe('README', () => {
  it('the example prints what is promised, on a new server', async () => {
    await using server = await ServerProcess.start();
    const ended = await run(['--input-type=module-typescript', '--eval', example('ts')], {
      SLOTKEEPER_URL: server.url,
    });
    expect(ended).toEqual({ code: 0, output: 'done, with fencing token 2\n' });
    expect(readme).toContain('It prints `done, with fencing token 2`');
  });

  it('names files that are there, and scripts that npm knows', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] as string);
    expect(links.length).toBeGreaterThan(4);
    for (const link of links) expect(() => readFileSync(join(root, link)), link).not.toThrow();
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const [, , script] of readme.matchAll(/npm (run )?(demo|start|test|bench)/g)) {
      expect(scripts).toHaveProperty(script as string);
    }
  });
});
