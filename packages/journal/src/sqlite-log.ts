/**
 * Checks SQLite's write-ahead log before SQLite opens it:
 *
 *   1. SQLite reads the log up to the first broken frame, and forgets the rest: a loss of power may tear the last write.
 *   2. Each commit was synced before the next began, so only the last commit can be torn.
 *   3. If two or more commits follow the break, acknowledged facts have been damaged, and must not be forgotten.
 */
import { readFileSync } from 'node:fs';
import { damaged } from './sqlite-failure.ts';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const PAGE_BYTES = 4096;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
/** The first word of a log, which also says how its checksums read its words. */
const LITTLE_ENDIAN = 0x377f0682;
const BIG_ENDIAN = 0x377f0683;

type Pair = readonly [number, number];

/** @throws JournalError `DAMAGED`, before anything is changed. */
export function checkLog(log: string): void {
  // If another process is writing the log, one reading may be half old and half new. Two such readings in a row are damage.
  if (commitsBehindBreak(log) >= 2 && commitsBehindBreak(log) >= 2) throw damaged(log, 'it breaks off in the middle');
}

/**
 * Counts only frames of the log's present round: SQLite begins the log again and again, each time with new salts. If the header
 * with the salts is damaged, the round with the most commits counts.
 */
function commitsBehindBreak(log: string): number {
  const { buffer, byteOffset, length } = read(log);
  if (length < HEADER_BYTES + FRAME_BYTES) return 0;
  const view = new DataView(buffer, byteOffset, length);
  const magic = view.getUint32(0);
  const littleEndian = magic === LITTLE_ENDIAN;
  let sums = addUp([0, 0], view, 0, 24, littleEndian);
  const isHeader = (littleEndian || magic === BIG_ENDIAN) && same(sums, pairAt(view, 24));
  const present = isHeader ? pairAt(view, 16) : undefined;
  let whole = present !== undefined;
  const commits = new Map<string, number>();
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= length; at += FRAME_BYTES) {
    const salts = pairAt(view, at + 8);
    const current = present === undefined || same(present, salts);
    if (whole) {
      sums = addUp(sums, view, at, 8, littleEndian);
      sums = addUp(sums, view, at + FRAME_HEADER_BYTES, PAGE_BYTES, littleEndian);
      whole = current && same(sums, pairAt(view, at + 16));
    }
    const endsCommit = view.getUint32(at + 4) !== 0;
    if (!whole && current && endsCommit) commits.set(salts.join(), (commits.get(salts.join()) ?? 0) + 1);
  }
  return Math.max(0, ...commits.values());
}

function read(log: string): Buffer {
  try {
    return readFileSync(log);
  } catch (error) {
    // The process that had the log has just closed it in order.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** SQLite's running checksum, as its file format describes it. */
function addUp([a, b]: Pair, view: DataView, from: number, bytes: number, littleEndian: boolean): Pair {
  let [first, second] = [a, b];
  for (let at = from; at < from + bytes; at += 8) {
    first = (first + view.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + view.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

function pairAt(view: DataView, at: number): Pair {
  return [view.getUint32(at), view.getUint32(at + 4)];
}

function same(a: Pair, b: Pair): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
