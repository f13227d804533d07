import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { canonical, type State } from '@slotkeeper/engine';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Followed, replay, SqliteJournal } from '../src/index.ts';
import { all } from './conformance.ts';
import { host } from './host.ts';
import { newFolder, opened } from './sqlite-places.ts';

const FORMATS = fileURLToPath(new URL('formats', import.meta.url));
const DB = 'slotkeeper.db';
const LOG = `${DB}-wal`;

function json(file: string): never {
  return JSON.parse(readFileSync(join(FORMATS, file), 'utf8')) as never;
}

const ORIGINS: Readonly<Record<string, string>> = json('3/origins.json');
/** As version 0.1.0 read them. */
const HISTORY: readonly { readonly position: number; readonly fact: Readonly<Record<string, unknown>> }[] =
  json('3/history.json');

/** Facts that say who asked for them, which nobody knew then. */
const HAS_BY = /^(limit\.|lease\.revoked)/;

/** Its names of then, by today's. */
function renamed({ lease, session, type, how, ...fact }: Readonly<Record<string, unknown>>): unknown {
  return {
    ...fact,
    type: type === 'limit.occupied' ? 'untracked.set' : type === 'slots.returned' ? 'untracked.returned' : type,
    ...(how !== undefined && { how: how === 'left' ? 'untracked' : how }),
    ...(HAS_BY.test(type as string) && { by: null }),
    ...(lease !== undefined && { leaseId: lease }),
    ...(session !== undefined && { sessionId: session, origin: expect.any(String) }),
  };
}

/** A folder with the files as they were left: `3/killed`. */
function written(how: string): string {
  const folder = newFolder();
  for (const file of readdirSync(join(FORMATS, how))) {
    if (!file.endsWith('.gz')) continue;
    writeFileSync(join(folder, file.slice(0, -3)), gunzipSync(readFileSync(join(FORMATS, how, file))));
  }
  return folder;
}

async function followed(folder: string): Promise<Followed & { journal: SqliteJournal }> {
  const journal = new SqliteJournal({ folder }, host);
  onTestFinished(() => journal.close());
  return { ...(await journal.follow()), journal };
}

/** The state as version 0.1.0 wrote it: its canonical form. What is taken of a semaphore was as of a time, which says nothing. */
function asWritten({ position, atMs, limits, leases }: State): unknown {
  return [
    position,
    atMs,
    [...limits.values()]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, id, createdAtMs, updatedAtMs, usage, settings }) => [
        ...[name, id, createdAtMs, updatedAtMs, usage.taken, usage.kind === 'rate' ? usage.atMs : expect.any(Number)],
        ...[settings.slots, settings.slotDecayPerSecond],
        ...[settings.active, settings.mode, settings.overtakes, settings.maxWaiters, settings.description],
      ]),
    [...leases.values()].map(({ holder, amounts, spent, ...lease }) => [
      ...[lease.id, lease.token, lease.sessionId, lease.lifeline, lease.ttlMs, lease.renewed, lease.grantedAtMs],
      ...[[holder.type, holder.id, holder.label, holder.host, holder.pid], amounts, spent],
    ]),
  ];
}

function formatOf(folder: string): unknown {
  const db = new DatabaseSync(join(folder, DB));
  try {
    return db.prepare('PRAGMA user_version').get()?.user_version;
  } finally {
    db.close();
  }
}

describe.each([
  ['closed', 42, 2],
  ['killed', 47, 3],
])('a file of format 3 that 0.1.0 left %s', (how, position, epochs) => {
  const expected = json(`3/${how}/state.json`);

  test('has every limit, every lease with its token, and the door that it came through', async () => {
    const state = await replay(await followed(written(`3/${how}`)));
    expect(expected).toEqual(asWritten(state));
    expect(state.leases.size).toBe(how === 'closed' ? 10 : 11);
    for (const { id, origin } of state.leases.values()) expect([id, origin]).toEqual([id, ORIGINS[id]]);
  });

  test('has its whole history', async () => {
    const { journal } = await followed(written(`3/${how}`));
    const facts = HISTORY.slice(0, position).map(({ fact, ...stored }) => ({ ...stored, fact: renamed(fact) }));
    expect(await journal.read(0, 1_000)).toEqual(facts);
    await journal.lead();
    expect(await journal.read(0, 1_000)).toEqual(facts);
  });

  test('stays of format 3 while it is followed, and is of this one once it is led', async () => {
    const folder = written(`3/${how}`);
    const { journal: follower } = await followed(folder);
    await follower.close();
    expect(formatOf(folder)).toBe(3);
    const { journal, snapshot, ...led } = await opened(folder);
    expect([led.epoch, led.position]).toEqual([epochs, position]);
    // Read after it is led, though it was found before.
    expect(expected).toEqual(asWritten(await replay({ snapshot, facts: led.facts })));
    await journal.append([{ type: 'limit.deleted', at: 1.9e12, name: 'gpu', by: null }], {
      epoch: led.epoch,
      after: position,
    });
    await journal.close();
    expect(formatOf(folder)).toBe(4);
    const again = await followed(folder);
    expect(again.snapshot?.position).toBe(42);
    expect(await all(again.facts)).toHaveLength(position + 1 - 42);
    expect(await again.journal.read(0, 1_000)).toHaveLength(position + 1);
  });
});

test('a process that dies at any point of the change of format leaves a file that opens, of one format or the other', async () => {
  const folder = written('3/killed');
  const { journal } = await followed(folder);
  await journal.lead();
  const log = readFileSync(join(folder, LOG));
  const formats = new Set<unknown>();
  // What is written goes to the log alone, from its beginning on: so a death at any point leaves a beginning of it.
  const frameBytes = 4_096 + 24;
  for (let size = log.length; size > 0; size -= frameBytes / 2) {
    const copy = newFolder();
    for (const file of [DB, LOG]) copyFileSync(join(folder, file), join(copy, file));
    truncateSync(join(copy, LOG), size);
    const follower = await followed(copy);
    expect(json('3/killed/state.json')).toEqual(asWritten(await replay(follower)));
    await follower.journal.close();
    formats.add(formatOf(copy));
    const { epoch, journal: leader, position } = await opened(copy);
    expect([3, 4]).toContain(epoch);
    await leader.append([{ type: 'limit.deleted', at: 1.9e12, name: 'gpu', by: null }], { epoch, after: position });
    await leader.close();
  }
  expect(formats).toEqual(new Set([3, 4]));
});

test('a file of format 3 that is damaged is refused, and is not changed', async () => {
  const folder = written('3/closed');
  const db = new DatabaseSync(join(folder, DB));
  db.exec("UPDATE snapshot SET state = replace(state, 'naïve', 'wise')");
  db.close();
  const { snapshot, facts, journal } = await followed(folder);
  await expect(replay({ snapshot, facts })).rejects.toMatchObject({ code: 'DAMAGED' });
  await expect(journal.lead()).rejects.toMatchObject({ code: 'DAMAGED' });
  await journal.close();
  expect(formatOf(folder)).toBe(3);
});

test('a file of format 4 that was left with a log and half a snapshot has all that was in it', async () => {
  const folder = written('4/killed');
  const state = await replay(await followed(folder));
  expect(JSON.parse(canonical(state))).toEqual(json('4/killed/state.json'));
});
