import fc from 'fast-check';
import { describe, it } from 'vitest';
import { type Action, actions, type Decays, decays } from './actions.ts';
import { Duel } from './duel.ts';
import { Fleet } from './fleet.ts';

/** A failure is told with its seed and path: put both in here to see it again. */
const RUNS = { numRuns: 600 };

const noRates = fc.constant<Decays>({});

describe('the engine agrees with a plain and slow model of the design', () => {
  const live = (list: readonly Action[], decays: Decays) => {
    const duel = new Duel();
    const fleet = new Fleet(duel, decays);
    for (const action of list) fleet.act(action);
    duel.restart();
  };

  it('as clients acquire, wait, cancel and release', () => {
    fc.assert(
      fc.property(actions({ sessions: false, limits: false, rates: false, restarts: false }), noRates, live),
      RUNS,
    );
  });
  it('as limits are resized, paused, drained, switched and deleted', () => {
    fc.assert(
      fc.property(actions({ sessions: false, limits: true, rates: false, restarts: false }), noRates, live),
      RUNS,
    );
  });
  it('as connections are lost, sessions lapse and clients come back', () => {
    fc.assert(
      fc.property(actions({ sessions: true, limits: false, rates: false, restarts: false }), noRates, live),
      RUNS,
    );
  });
  it('as slots of rates come back by themselves', () => {
    fc.assert(
      fc.property(actions({ sessions: false, limits: false, rates: true, restarts: false }), decays, live),
      RUNS,
    );
  });
  it('as rates are set to decay otherwise, become semaphores, and are rates again', () => {
    fc.assert(
      fc.property(actions({ sessions: false, limits: true, rates: true, restarts: false }), decays, live),
      RUNS,
    );
  });
  it('as all of it happens, with restarts from the journal', () => {
    fc.assert(fc.property(actions({ sessions: true, limits: true, rates: true, restarts: true }), decays, live), RUNS);
  });
});
