/** What Prefect's rooms owe their host: they reveal nothing that is not durable, and wait for no more than that. */
import type { PlantedBug } from './planted-bug.ts';

const increments = 'prefect/src/increments/held-increments.ts';
const test = 'packages/prefect/test/one-write.test.ts';

export const HOST_AND_PREFECT: readonly PlantedBug[] = [
  {
    name: 'the answer to an increment lists its limits as they are, durable or not',
    file: increments,
    find: 'if (held.listedBefore && isSameListing(held.listedBefore, limits)) this.#send',
    replace: 'if (limits.length >= 0) this.#send',
    test,
  },
  {
    name: 'a granted increment waits for a second write',
    file: increments,
    find: 'if (held.listedBefore && isSameListing(held.listedBefore, limits)) this.#send',
    replace: 'if (limits.length < 0) this.#send',
    test,
  },
  {
    name: 'a decrement waits for a second write',
    file: 'prefect/src/global-limits/slots.ts',
    find: 'await returned;',
    replace: 'await returned.then(() => answers.once(null));',
    test,
  },
];
