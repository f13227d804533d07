/** What can befall the files of a server's data folder while no server runs. Each returns what it has done. */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Random } from '../random.ts';

export type Damage = (data: string, random: Random) => string;

const DATABASE = 'slotkeeper.db';
const LOG = 'slotkeeper.db-wal';

export const truncated: Damage = (data, random) => {
  const file = join(data, DATABASE);
  const bytes = statSync(file).size;
  const left = random.integer(0, bytes - 1);
  truncateSync(file, left);
  return `cut to ${left} of ${bytes} bytes`;
};

export const flipped: Damage = (data, random) => flip(join(data, DATABASE), 1, random);

/**
 * The log of what is not in the database yet. Its last commits are left alone: a torn one looks like one that the
 * loss of power tore, and that was never acknowledged.
 */
export const flippedLog: Damage = (data, random) => {
  const log = join(data, LOG);
  return existsSync(log) && statSync(log).size > 0 ? flip(log, 0.75, random) : 'there is no log';
};

export const gone: Damage = (data) => {
  rmSync(join(data, DATABASE));
  return 'removed';
};

export const newer: Damage = (data) => {
  const db = new DatabaseSync(join(data, DATABASE));
  db.exec('PRAGMA user_version = 1000');
  db.close();
  return 'of format 1000';
};

/** Not for root, who may write all the same. */
export const readOnly: Damage = (data) => {
  chmodSync(join(data, DATABASE), 0o400);
  return 'not to be written';
};

/** One to eight bytes, in the first `part` of the file. */
function flip(file: string, part: number, random: Random): string {
  const bytes = readFileSync(file);
  const places = Array.from({ length: random.integer(1, 8) }, () =>
    random.integer(0, Math.floor(bytes.length * part) - 1),
  );
  for (const place of places) bytes[place] = (bytes[place] as number) ^ random.integer(1, 255);
  writeFileSync(file, bytes);
  return `bytes ${places.join(', ')} of ${bytes.length} flipped`;
}
