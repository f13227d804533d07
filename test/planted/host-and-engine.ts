/** What the host owes the engine: its clock, its wakes, and that it answers nothing which is not durable. */
import type { PlantedBug } from './planted-bug.ts';

const replica = 'server/src/replica/replica.ts';
const test = 'packages/server/test/replica.test.ts';

export const HOST_AND_ENGINE: readonly PlantedBug[] = [
  {
    name: 'after a restart engine time is the wall clock, though that was set back',
    file: replica,
    find: 'Math.max(state.atMs, led.nowMs)',
    replace: 'led.nowMs',
    test,
  },
  {
    name: 'engine time follows the wall clock while the host runs',
    file: replica,
    find: 'return this.#timeOffsetMs + this.#clock.monotonicMs();',
    replace: 'return this.#run ? this.#clock.wallMs() : this.#timeOffsetMs + this.#clock.monotonicMs();',
    test,
  },
  {
    name: 'a limit that was resumed counts as drained',
    file: 'server/src/replica/drains.ts',
    find: 'batch.settle(isDraining ? settled :',
    replace: 'batch.settle(true ? settled :',
    test,
  },
];
