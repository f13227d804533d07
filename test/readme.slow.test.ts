/** README's examples run as they are written, against a real server. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, runProgram } from './run-program.ts';
import { ServerProcess } from './server-process.ts';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The first fenced block of the language. */
function example(language: string): string {
  const block = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1];
  if (block === undefined) throw new Error(`README has no ${language} block`);
  return block;
}

describe('README', () => {
  it('the example prints what is promised, on a new server', async () => {
    await using server = await ServerProcess.start();
    const args = ['--input-type=module-typescript', '--eval', example('ts')];
    const ended = await runProgram(process.execPath, args, { SLOTKEEPER_URL: server.url });
    expect(ended).toEqual({ code: 0, output: 'done, with fencing token 2\n' });
    expect(readme).toContain('It prints `done, with fencing token 2`');
  });

  it('the forty workers stay within ten', async () => {
    await using server = await ServerProcess.start();
    const ended = await runProgram(process.execPath, ['examples/forty-workers.ts'], { SLOTKEEPER_URL: server.url });
    expect(ended).toEqual({ code: 0, output: '40 answers, at most 10 queries at once in this process\n' });
  });

  it('the command is there as it is written', async () => {
    await using server = await ServerProcess.start();
    const made = await runProgram('npx', ['slotkeeper', 'limit', 'set', 'tag:etl', '--slots', '2'], {
      SLOTKEEPER_URL: server.url,
    });
    expect(made.code).toBe(0);
    expect(readme).toContain('npx slotkeeper limit set tag:etl --slots 2');
  });

  it('names files that are there, and scripts that npm knows', () => {
    const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] as string);
    expect(links.length).toBeGreaterThan(4);
    for (const link of links) expect(() => readFileSync(join(ROOT, link)), link).not.toThrow();
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const [, , script] of readme.matchAll(/npm (run )?(demo|start|test|bench)/g)) {
      expect(scripts).toHaveProperty(script as string);
    }
  });
});
