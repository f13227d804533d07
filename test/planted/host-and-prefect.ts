/** What Prefect's rooms owe their host and their upstream: nothing is revealed that is not durable, and nothing is piled up. */
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
  {
    name: 'the relay of events reads on while the other end does not',
    file: 'prefect/src/upstream/message-relay.ts',
    find: 'if (to.bufferedAmount > UNSENT_BYTES_MAX) from.pause();',
    replace: '',
    test: 'packages/prefect/test/upstream/websockets.test.ts',
  },
  {
    name: 'the relay of events answers pings itself',
    file: 'prefect/src/upstream/message-relay.ts',
    find: 'autoPong: false }',
    replace: 'autoPong: true }',
    test: 'packages/prefect/test/upstream/websockets.test.ts',
  },
];
