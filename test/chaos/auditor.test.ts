/** The auditor itself: it finds what it is there to find. */
import { describe, expect, it } from 'vitest';
import { audit, type Evidence, type JournalFact } from './auditor.ts';
import type { Observation } from './observation.ts';

const SLOTS = { db: 1 };
const amounts = { db: 1 };

function held(call: string, token: number, [asked, from, to]: [number, number, number]): Observation[] {
  return [
    { type: 'asked', call, amounts, atMs: asked },
    { type: 'granted', call, lease: call, token, amounts, atMs: from },
    { type: 'releasing', call, atMs: to },
    { type: 'released', call, acknowledged: true, atMs: to + 1 },
  ];
}

const grant = (lease: string): JournalFact => ({ type: 'lease.granted', leaseId: lease, amounts: [['db', 1]] });
const release = (lease: string): JournalFact => ({ type: 'lease.released', leaseId: lease });
const set: JournalFact = { type: 'limit.set' };

function verdict(seen: Observation[][], journal: JournalFact[], restarts: Evidence['restarts'] = []) {
  const clients = new Map(seen.map((observations, index) => [`client ${index + 1}`, observations]));
  const { lost, above, broken } = audit({ slots: SLOTS, ttlMs: 2_000, clients, journal, restarts });
  return { lost: lost.length, above: above.length, broken: broken.length };
}

const CLEAN = { lost: 0, above: 0, broken: 0 };
const a = held('a', 2, [0, 1, 10]);
const b = held('b', 4, [2, 12, 20]);
const journal = [set, grant('a'), release('a'), grant('b'), release('b')];

describe('the auditor', () => {
  it('finds nothing where nothing is', () => {
    expect(verdict([a, b], journal)).toEqual(CLEAN);
    expect(verdict([a, b], journal, [{ atMs: 11.5, position: 3 }])).toEqual(CLEAN);
  });

  it('finds two who hold at once what only one can have', () => {
    expect(verdict([a, held('b', 4, [2, 9, 20])], journal)).toEqual({ ...CLEAN, above: 1 });
  });

  it('does not count a holder while it cannot run, nor one that was killed or has lost its lease', () => {
    const early = held('b', 4, [2, 6, 20]);
    const stalled: Observation[] = [...a.slice(0, 2), { type: 'stalled', sinceMs: 5, atMs: 2_500 }];
    const ends: Observation[] = [
      { type: 'killed', atMs: 5 },
      { type: 'lost', call: 'a', reason: '', atMs: 5 },
    ];
    for (const end of ends) expect(verdict([[...a.slice(0, 2), end], early], journal)).toEqual(CLEAN);
    const woken: Observation = { type: 'lost', call: 'a', reason: '', atMs: 2_501 };
    expect(verdict([[...stalled, woken], early], journal)).toEqual(CLEAN);
    expect(verdict([[...a.slice(0, 2), woken], early], journal)).toEqual({ ...CLEAN, above: 1 });
  });

  it('expects nothing of a call that was made in the moment of a kill, after that was written down', () => {
    const late: Observation[] = [
      { type: 'killed', atMs: 5 },
      { type: 'asked', call: 'b', amounts, atMs: 6 },
    ];
    expect(verdict([a, late], journal.slice(0, 3))).toEqual(CLEAN);
    expect(verdict([a, late.slice(1)], journal.slice(0, 3))).toEqual({ ...CLEAN, broken: 1 });
  });

  it('finds a grant that is not in the journal, and one that stands there as another', () => {
    expect(verdict([a, b], journal.slice(0, 3))).toEqual({ ...CLEAN, lost: 2 });
    expect(verdict([held('c', 2, [0, 1, 10]), b], journal).lost).toBe(2);
  });

  it('finds what was acknowledged before a restart and written only after it', () => {
    expect(verdict([a, b], journal, [{ atMs: 11.5, position: 2 }])).toEqual({ ...CLEAN, lost: 1 });
    expect(verdict([a, b], journal, [{ atMs: 19, position: 3 }])).toEqual({ ...CLEAN, lost: 1 });
  });

  it('finds tokens that fall or are given twice', () => {
    expect(
      verdict(
        [held('a', 4, [0, 1, 10]), held('b', 2, [12, 13, 20])],
        [set, grant('b'), release('b'), grant('a'), release('a')],
      ),
    ).toEqual({ ...CLEAN, broken: 1 });
    expect(verdict([a, held('b', 2, [0.5, 12, 20])], journal).broken).toBe(1);
  });

  it('finds who was refused, never served, or never gave back', () => {
    const [asked] = b as [Observation];
    expect(verdict([a, [asked]], journal)).toEqual({ ...CLEAN, broken: 1 });
    expect(verdict([a, [asked, { type: 'failed', call: 'b', reason: 'no', atMs: 3 }]], journal)).toEqual({
      ...CLEAN,
      broken: 1,
    });
    expect(verdict([a, b.slice(0, 2)], journal)).toEqual({ ...CLEAN, broken: 1 });
  });

  it('finds a journal that goes above a limit, counts a release twice, or keeps a lease that nobody has', () => {
    expect(verdict([], [set, grant('a'), grant('b'), release('a'), release('b')])).toEqual({ ...CLEAN, broken: 1 });
    expect(verdict([], [...journal, release('b')])).toEqual({ ...CLEAN, broken: 1 });
    expect(verdict([], [...journal, grant('b'), release('b')])).toEqual({ ...CLEAN, broken: 1 });
    expect(verdict([], journal.slice(0, 4))).toEqual({ ...CLEAN, broken: 1 });
  });
});
