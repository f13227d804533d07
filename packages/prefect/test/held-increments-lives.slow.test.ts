/**
 * Lives of Prefect's clients in virtual time, as they are written: who gets no answer sends the increment again, who is
 * told that it is full asks again, who has it gives it back. Meanwhile requests and answers are lost, clients go away for
 * good, the journal fails, and the server is killed. `SEED=N` brings a run back.
 */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../test/random.ts';
import { FailingJournal } from './failing-journal.ts';
import { type Lives, Tally, World } from './lives/world.ts';

const LIVES = Number(process.env.LIVES ?? 200);

describe('clients of Prefect', () => {
  /** `demanded`: what has to come to pass in them. */
  const cases: Readonly<Record<string, Lives & { readonly demanded: readonly string[] }>> = {
    'whose connections end, before a server that is killed and whose journal fails': {
      kinds: ['tag', 'leased'],
      faults: { cuts: true, failures: true, kills: true },
      demanded: [
        'append failed',
        'server killed',
        'increment: lost',
        'increment: unavailable',
        'renew: done',
        'died holding',
        'went away',
      ],
    },
    'with increments of all kinds, whose connections end': {
      kinds: ['tag', 'leased', 'bare'],
      faults: { cuts: true, failures: false, kills: false },
      demanded: ['increment: granted', 'increment: full', 'increment: lost', 'give back: done', 'went away'],
    },
    'with increments of all kinds, before a server whose journal fails': {
      kinds: ['tag', 'leased', 'bare'],
      faults: { cuts: false, failures: true, kills: false },
      demanded: ['increment: unavailable', 'give back: unavailable', 'append failed'],
    },
    'of one run that takes the same again and again': {
      kinds: [],
      faults: { cuts: true, failures: true, kills: true },
      areOneRun: true,
      demanded: ['append failed', 'server killed', 'increment: lost', 'increment: unavailable', 'renew: done'],
    },
  };
  for (const [what, lives] of Object.entries(cases)) {
    it(`${what}: never more than there are, and in the end nothing is left taken`, async () => {
      const { seed } = new Random();
      console.log(`SEED=${seed}`);
      const tally = new Tally();
      for (let life = 0; life < LIVES; life++) {
        FailingJournal.fails = false;
        const world = new World(seed + life, lives, tally);
        await world.live();
        expect(world.violations, `SEED=${seed + life}`).toEqual([]);
      }
      console.log(tally.counts);
      for (const happened of lives.demanded) expect(tally.counts[happened] ?? 0, happened).toBeGreaterThan(0);
    });
  }
});
