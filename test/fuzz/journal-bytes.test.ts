/**
 * A journal's files, damaged at random. After any damage, opening fails with a code that says so, or gives what was
 * written: the first facts, each as it was, in order. Damage that looks like a torn last commit is described in packages/journal/README.md.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical, emptyState, evolve, type Fact } from '@slotkeeper/engine';
import { JournalError, replay, SqliteJournal, type StoredFact } from '@slotkeeper/journal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realClock } from '../../packages/server/src/clock.ts';
import type { Random } from '../random.ts';
import { seeded, TEST_TIMEOUT_MS, times } from './budget.ts';

const PAGE_BYTES = 4_096;
const DB = 'slotkeeper.db';
const WAL = `${DB}-wal`;
const BATCHES = 60;
const HOLDER = { type: 'run', id: 'r', label: 'x'.repeat(200), host: null, pid: 7 };

/** Limits, leases that come and go; some batches are several pages long. */
function history(): Fact[][] {
  const settings = {
    slotDecayPerSecond: null,
    slots: 5,
    active: true,
    mode: 'open',
    overtakes: 16,
    maxWaiters: null,
    description: null,
  } as const;
  const batches: Fact[][] = [[{ type: 'limit.set', at: 1_000, name: 'db', id: 'db', settings, by: null }]];
  for (let i = 1; i < BATCHES; i++) {
    const at = 1_000 + i;
    const granted = Array.from({ length: i % 7 === 0 ? 40 : 2 }, (_, j): Fact => {
      const [lease, session] = [`lease ${i} ${j}`, `session ${i}`];
      return {
        type: 'lease.granted',
        at,
        leaseId: lease,
        sessionId: session,
        lifeline: 'heartbeat',
        ttlMs: 15_000,
        amounts: [['db', 1]],
        holder: HOLDER,
        refunds: false,
        origin: 'session',
      };
    });
    const released = granted.slice(1).map(
      (fact): Fact => ({
        type: 'lease.released',
        at,
        leaseId: (fact as { leaseId: string }).leaseId,
        names: null,
        how: 'returned',
      }),
    );
    batches.push([...granted, ...released]);
  }
  return batches;
}

interface Written {
  readonly folder: string;
  /** As a killed process leaves it: with a log that is not in the database yet. */
  readonly files: readonly string[];
  readonly facts: readonly Fact[];
  /** The canonical state at each position. */
  readonly states: readonly string[];
}

let root = '';
let killed: Written;
let closed: Written;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'slotkeeper-fuzz-'));
  killed = await write('killed', false);
  closed = await write('closed', true);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** `closed`: the log is in the database, and a snapshot was taken halfway. */
async function write(name: string, isClosed: boolean): Promise<Written> {
  const folder = join(root, name);
  const journal = new SqliteJournal({ folder }, realClock);
  await journal.follow();
  const { epoch } = await journal.lead();
  const state = emptyState();
  const states = [canonical(state)];
  const facts: Fact[] = [];
  for (const [i, batch] of history().entries()) {
    await journal.append(batch, { epoch, after: facts.length });
    for (const fact of batch) {
      evolve(state, fact);
      facts.push(fact);
      states.push(canonical(state));
    }
    if (isClosed && i === BATCHES / 2) await journal.saveSnapshot(state.position, [canonical(state)]);
  }
  if (isClosed) await journal.close();
  // What a process leaves that is killed: its files as they are now.
  const copy = join(root, `${name} copy`);
  mkdirSync(copy);
  for (const file of readdirSync(folder)) copyFileSync(join(folder, file), join(copy, file));
  await journal.close();
  return { folder: copy, files: readdirSync(copy), facts, states };
}

/** What the journal in a folder has: how many facts, all as they were written; or the code with which it refuses. */
async function read(folder: string, { facts, states }: Written): Promise<number | JournalError['code']> {
  const journal = new SqliteJournal({ folder }, realClock);
  try {
    const { snapshot, facts: following } = await journal.follow();
    const found: StoredFact[] = [];
    for await (const fact of following) found.push(fact);
    const state = await replay({ snapshot, facts: found });
    for (const { position, fact } of found) expect(fact).toEqual(facts[position - 1]);
    expect(canonical(state)).toBe(states[state.position]);
    return state.position;
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    expect(['DAMAGED', 'IO', 'NEWER_FORMAT', 'OLDER_FORMAT'], error.message).toContain(error.code);
    expect(error.message).toMatch(/\. [A-Z]/);
    return error.code;
  } finally {
    await journal.close();
  }
}

/** Does something to the bytes of one file, and says what. */
function damage(random: Random, folder: string, file: string): string {
  const path = join(folder, file);
  const bytes = readFileSync(path);
  const pages = Math.max(1, Math.floor(bytes.length / PAGE_BYTES));
  const page = (): Buffer => bytes.subarray(random.integer(0, pages - 1) * PAGE_BYTES).subarray(0, PAGE_BYTES);
  switch (random.integer(0, 7)) {
    case 0: {
      const flips = random.pick([1, 1, 3, 100]);
      for (let i = 0; i < flips; i++) bytes[random.integer(0, bytes.length - 1)]! ^= 1 << random.integer(0, 7);
      writeFileSync(path, bytes);
      return `${flips} bits flipped in ${file}`;
    }
    case 1: {
      const length = random.integer(0, bytes.length);
      truncateSync(path, length);
      return `${file} cut to ${length} of ${bytes.length}`;
    }
    case 2:
      page().fill(0);
      writeFileSync(path, bytes);
      return `a page of zeros in ${file}`;
    case 3: {
      const from = Buffer.from(page());
      from.copy(page());
      writeFileSync(path, bytes);
      return `a page twice in ${file}`;
    }
    case 4: {
      const at = random.integer(0, bytes.length - 1);
      const noise = Buffer.from(Array.from({ length: random.integer(1, 5_000) }, () => random.integer(0, 255)));
      noise.copy(bytes, at);
      writeFileSync(path, bytes);
      return `noise at ${at} of ${file}`;
    }
    case 5: {
      const at = random.integer(0, bytes.length - 1);
      writeFileSync(
        path,
        Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.pick([1, 512, PAGE_BYTES]))]),
      );
      return `a piece cut out at ${at} of ${file}`;
    }
    case 6:
      writeFileSync(path, Buffer.concat([bytes, Buffer.from(bytes.subarray(0, random.integer(1, bytes.length)))]));
      return `${file} with its beginning behind its end`;
    default:
      writeFileSync(
        path,
        Buffer.from(Array.from({ length: random.pick([1, 100, 10_000]) }, () => random.integer(0, 255))),
      );
      return `${file} replaced by noise`;
  }
}

describe('a journal whose bytes are damaged', () => {
  it(
    'is refused, or has the first facts as they were written',
    async () => {
      const random = seeded('journal-bytes.test.ts');
      const outcomes: Record<string, number> = {};
      for (let i = 0; i < times(120); i++) {
        const written = random.pick([killed, closed]);
        const folder = join(root, `damaged ${i}`);
        mkdirSync(folder);
        for (const file of written.files) copyFileSync(join(written.folder, file), join(folder, file));
        const told: string[] = [];
        const main = written === killed && random.next() < 0.6 ? WAL : DB;
        for (let j = random.pick([1, 1, 2]); j > 0; j--) told.push(damage(random, folder, main));
        if (random.next() < 0.1) told.push(noiseBeside(random, folder));
        const what = `of a journal that was ${written === killed ? 'killed' : 'closed'}: ${told.join(', ')}`;
        const found = await read(folder, written).catch((error: unknown) => {
          throw new Error(what, { cause: error });
        });
        const lost = typeof found === 'number' ? written.facts.length - found : 0;
        // Of the log its last commits can be gone, as if they had been torn; of the database nothing can.
        const mayLose = main === WAL || told.some((text) => text.includes(WAL));
        if (!mayLose) expect(lost, what).toBe(0);
        const outcome = typeof found === 'string' ? found : lost === 0 ? 'whole' : 'shorter';
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        // Who opens it twice finds the same.
        if (i % 10 === 0) expect(await read(folder, written), what).toBe(found);
        rmSync(folder, { recursive: true });
      }
      console.log(JSON.stringify(outcomes));
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'in one place of its log loses no more than its last two commits, or is refused',
    async () => {
      const random = seeded('journal-bytes.test.ts');
      const last = history().slice(-2).flat().length;
      const whole = readFileSync(join(killed.folder, WAL));
      for (let i = 0; i < times(100); i++) {
        const folder = join(root, `in one place ${i}`);
        mkdirSync(folder);
        for (const file of killed.files) copyFileSync(join(killed.folder, file), join(folder, file));
        const bytes = Buffer.from(whole);
        // A bit, or a sector or a page of the disk: the first of them more often, since all hangs on the log's header.
        const size = random.pick([1, 512, PAGE_BYTES]);
        const at = random.next() < 0.1 ? 0 : size * random.integer(0, Math.floor(bytes.length / size) - 1);
        const place = bytes.subarray(at, at + size);
        if (size === 1) place[0]! ^= 1 << random.integer(0, 7);
        else if (random.next() < 0.5) place.fill(0);
        else for (let j = 0; j < size; j++) place[j] = random.integer(0, 255);
        writeFileSync(join(folder, WAL), bytes);
        const found = await read(folder, killed);
        const what = `${size} bytes damaged at ${at} of ${bytes.length}`;
        if (typeof found === 'number') expect(killed.facts.length - found, what).toBeLessThanOrEqual(last);
        rmSync(folder, { recursive: true });
      }
    },
    TEST_TIMEOUT_MS,
  );

  it.each(['the database of one and the log of another', 'an older database and a newer log', 'a log of another use'])(
    'made of %s is refused, or is one of the two',
    async (what) => {
      const folder = join(root, what);
      mkdirSync(folder);
      const [db, log] = what.startsWith('the') ? [closed, killed] : [killed, killed];
      copyFileSync(join(db.folder, DB), join(folder, DB));
      if (existsSync(join(log.folder, WAL))) copyFileSync(join(log.folder, WAL), join(folder, WAL));
      if (what.startsWith('a log')) {
        const bytes = readFileSync(join(folder, WAL));
        bytes.writeUInt32BE(bytes.readUInt32BE(16) + 1, 16);
        writeFileSync(join(folder, WAL), bytes);
      }
      const found = await read(folder, killed);
      if (typeof found === 'number') expect(killed.facts.length - found).toBe(0);
    },
  );
});

/** What lies beside a database: shared memory, a rollback journal, the note of an owner. */
function noiseBeside(random: Random, folder: string): string {
  const suffix = random.pick(['-shm', '-journal', '-owner', '-wal']);
  if (suffix === '-wal' && existsSync(join(folder, WAL))) return 'nothing beside it';
  writeFileSync(
    join(folder, `${DB}${suffix}`),
    Buffer.from(Array.from({ length: 5_000 }, () => random.integer(0, 255))),
  );
  return `noise as ${DB}${suffix}`;
}
