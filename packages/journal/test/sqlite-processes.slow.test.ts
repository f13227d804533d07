import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SqliteJournal } from '../src/index.ts';
import { all, contents, refused } from './conformance.ts';
import { host } from './host.ts';
import { numbered } from './numbered.ts';
import { newFolder, opened, readNumbered, seeded } from './sqlite-places.ts';

const APPENDER = fileURLToPath(new URL('appender.ts', import.meta.url));

const ENDLESS = ['appends:Infinity'];

/** A process that appends to the journal in `folder`, and what it has said so far. */
class Appender {
  readonly said: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #waiting: { lines: number; resolve: () => void }[] = [];

  constructor(folder: string, steps: readonly string[], shell = '') {
    const command = [process.execPath, APPENDER, folder, ...steps];
    this.#process = spawn('sh', ['-c', `${shell} exec "$@"`, 'sh', ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = once(this.#process, 'close');
    createInterface({ input: this.#process.stdout! }).on('line', (line) => {
      this.said.push(line);
      for (const { lines, resolve } of this.#waiting) if (this.said.length >= lines) resolve();
    });
    onTestFinished(() => this.kill());
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The last position that it has told of as durable. */
  get acknowledged(): number {
    return Number(this.said.at(-1));
  }

  /** Until it has said so many lines, or has ended. */
  async hasSaid(lines: number): Promise<void> {
    if (this.said.length >= lines) return;
    await Promise.race([this.#ended, new Promise<void>((resolve) => this.#waiting.push({ lines, resolve }))]);
  }

  async ends(): Promise<void> {
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

test('after a kill -9 in the middle of appends everything acknowledged is there, without a gap', async () => {
  const seed = Date.now() % 2 ** 32;
  const random = seeded(seed);
  const folder = newFolder();
  for (let round = 1; round <= 8; round += 1) {
    const appender = new Appender(folder, ENDLESS);
    await appender.hasSaid(2 + Math.floor(random() * 400));
    await appender.kill();
    const found = await readNumbered(folder);
    expect(found, `seed ${seed}, round ${round}`).toBeGreaterThanOrEqual(appender.acknowledged);
  }
});

test('an I/O error refuses the append; what was acknowledged is there afterwards', async () => {
  const folder = newFolder();
  // The system refuses to let a file grow beyond so many blocks, which SQLite has no name for but an I/O error.
  const appender = new Appender(folder, ENDLESS, 'ulimit -f 600;');
  await appender.ends();
  expect(appender.said.at(-1)).toMatch(/^IO Cannot append to '.*slotkeeper.db': disk I\/O error\. See to the disk/);
  const acknowledged = Number(appender.said.at(-2));
  expect(acknowledged).toBeGreaterThan(20);
  expect(await readNumbered(folder)).toBeGreaterThanOrEqual(acknowledged);
});

test('after a write that failed nothing is written, though it could be, until the journal is opened anew', async () => {
  const folder = newFolder();
  const steps = ['facts:3', 'facts:9000', 'facts:1', 'snapshot:1', 'reopen', 'facts:2'];
  const appender = new Appender(folder, steps, 'ulimit -f 1200;');
  await appender.ends();
  const [opened, first, failure, ...then] = appender.said;
  expect([opened, first]).toEqual(['open', '3']);
  expect(failure).toMatch(/^IO Cannot append to '.*slotkeeper.db': disk I\/O error\. See to the disk/);
  expect(then).toEqual([failure, failure, 'open', '5']);
  expect(await readNumbered(folder)).toBe(5);
});

test('what a killed process left in its log is in the database as soon as it is opened', async () => {
  const folder = newFolder();
  const appender = new Appender(folder, ['appends:40']);
  await appender.hasSaid(41);
  await appender.kill();
  const log = join(folder, 'slotkeeper.db-wal');
  expect(statSync(log).size).toBeGreaterThan(0);
  const journal = new SqliteJournal({ folder }, host);
  onTestFinished(() => journal.close());
  await journal.follow();
  expect(statSync(log).size).toBe(0);
  const copy = newFolder();
  copyFileSync(join(folder, 'slotkeeper.db'), join(copy, 'slotkeeper.db'));
  expect(await readNumbered(copy)).toBe(appender.acknowledged);
});

test('an I/O error in the middle of a snapshot ends that alone: appends go on, and are there afterwards', async () => {
  const folder = newFolder();
  const appender = new Appender(folder, ['appends:1', 'snapshot:5', 'appends:2'], 'ulimit -f 600;');
  await appender.ends();
  const [, first, failure, ...then] = appender.said;
  expect([first, ...then]).toEqual(['1', '2', '4']);
  expect(failure).toMatch(/^IO Cannot write to '.*slotkeeper.db': disk I\/O error\. See to the disk/);
  const { snapshot, journal } = await opened(folder);
  expect(snapshot).toBeUndefined();
  expect(await journal.read(0, 10)).toHaveLength(4);
});

test('after a kill -9 in the middle of a snapshot the one before it counts', async () => {
  const folder = newFolder();
  const first = await opened(folder);
  await first.journal.append(numbered(3), { epoch: first.epoch, after: 0 });
  await first.journal.saveSnapshot(2, ['of', ' two']);
  await first.journal.close();
  const appender = new Appender(folder, ['appends:1', 'snapshot:Infinity']);
  await appender.hasSaid(2);
  const log = join(folder, 'slotkeeper.db-wal');
  const size = statSync(log).size;
  await vi.waitUntil(() => statSync(log).size > size + 2 ** 20, { timeout: 60_000, interval: 1 });
  await appender.kill();
  const again = await opened(folder);
  expect(await contents(again)).toEqual({ position: 2, state: 'of two' });
  expect((await all(again.facts)).map(({ position }) => position)).toEqual([3, 4]);
});

test('a second process is refused and told who has the journal', async () => {
  const folder = newFolder();
  const first = new Appender(folder, ['appends:1']);
  await first.hasSaid(2);
  const second = new Appender(folder, ['appends:1']);
  await second.ends();
  expect(second.said).toHaveLength(1);
  expect(second.said[0]).toMatch(/^IN_USE /);
  expect(second.said[0]).toContain(`in use by process ${first.pid} on host ${hostname()}, since 20`);
  const { message } = await refused(opened(folder), 'IN_USE');
  expect(message).toContain(`process ${first.pid} on host ${hostname()}`);
});

test('of processes that open a new journal at the same time exactly one gets it', async () => {
  const folder = newFolder();
  const appenders = [1, 2, 3, 4].map(() => new Appender(folder, ['appends:0']));
  for (const appender of appenders) await appender.hasSaid(1);
  const answers = appenders.map(({ said }) => said[0]?.split(' ')[0]).sort();
  expect(answers).toEqual(['IN_USE', 'IN_USE', 'IN_USE', 'open']);
});

test('what a killed process has left behind refuses nobody', async () => {
  const folder = newFolder();
  const killed = new Appender(folder, ['appends:3']);
  await killed.hasSaid(4);
  await killed.kill();
  expect(readFileSync(join(folder, 'slotkeeper.db-owner'), 'utf8')).toContain(`"pid":${killed.pid}`);
  const { epoch } = await opened(folder);
  expect(epoch).toBe(2);
});

test('the refusal is as clear when nobody knows who has the journal', async () => {
  const folder = newFolder();
  await opened(folder);
  writeFileSync(join(folder, 'slotkeeper.db-owner'), 'half a no');
  const { message } = await refused(opened(folder), 'IN_USE');
  expect(message).toContain('it is in use by another process');
});

test('a log that breaks off where it was whole before is damage, and stays as it is', async () => {
  const folder = newFolder();
  const appender = new Appender(folder, ['appends:40']);
  await appender.hasSaid(41);
  await appender.kill();
  const log = join(folder, 'slotkeeper.db-wal');
  const whole = readFileSync(log);
  const seed = Date.now() % 2 ** 32;
  const random = seeded(seed);
  for (let round = 1; round <= 20; round += 1) {
    const flipped = Buffer.from(whole);
    const at = Math.floor((random() * whole.length) / 2);
    flipped[at]! ^= 1 << Math.floor(random() * 8);
    writeFileSync(log, flipped);
    const { message } = await refused(readNumbered(folder), 'DAMAGED');
    expect(message, `seed ${seed}, byte ${at}`).toContain('breaks off in the middle');
    expect(readFileSync(log).equals(flipped)).toBe(true);
  }
  writeFileSync(log, whole);
  expect(await readNumbered(folder)).toBe(appender.acknowledged);
});

test.each([
  ['was not written to its end', (whole: Buffer) => whole.subarray(0, -1_000)],
  ['has a sector that was not written', (whole: Buffer) => Buffer.from(whole).fill(0, whole.length - 1_000)],
])('a log whose last commit %s, as a loss of power leaves it, is read up to there', async (_, torn) => {
  const folder = newFolder();
  const appender = new Appender(folder, ['appends:10']);
  await appender.hasSaid(11);
  await appender.kill();
  const log = join(folder, 'slotkeeper.db-wal');
  writeFileSync(log, torn(readFileSync(log)));
  const [beforeLast] = appender.said.slice(-2);
  expect(await readNumbered(folder)).toBe(Number(beforeLast));
});
