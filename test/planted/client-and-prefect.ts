/** What a client of a Prefect server must never take for an answer, and what a lost one may hide. */
import type { PlantedBug } from './planted-bug.ts';

export const CLIENT_AND_PREFECT: readonly PlantedBug[] = [
  {
    name: 'a page that a proxy sends counts as a grant',
    file: 'protocol/src/prefect/prefect-api.ts',
    find: 'if (value === undefined) throw new UnreadableAnswerError',
    replace: 'if (path === undefined) throw new UnreadableAnswerError',
    test: 'packages/client/test/prefect/v1/prefect-rest.test.ts',
  },
  {
    name: 'a page that a POST was redirected to counts as its answer',
    file: 'protocol/src/prefect/prefect-api.ts',
    find: "redirect: 'manual', signal: ended",
    replace: "redirect: 'follow', signal: ended",
    test: 'packages/protocol/test/prefect/prefect-api.test.ts',
  },
  {
    name: 'an increment whose answer was lost is repeated without being undone',
    file: 'protocol/src/prefect/prefect-api.ts',
    find: 'const first = isUndecided ? undo?.() : undefined;',
    replace: 'const first: Change | undefined = undefined;',
    test: 'packages/client/test/prefect/v1/prefect-rest.test.ts',
  },
  {
    name: 'an undoing takes what the task run holds on purpose',
    file: 'client/src/prefect/v1/prefect-service.ts',
    find: 'undo: () => (this.#isHeld(names, taskRunId) ? undefined : decrementOf(names, taskRunId, 0)),',
    replace: 'undo: () => decrementOf(names, taskRunId, 0),',
    test: 'packages/client/test/prefect/v1/prefect-rest.test.ts',
  },
  {
    name: 'what a request takes that nobody waits for any more is not given back',
    file: 'client/src/prefect/rest/prefect-server.ts',
    find: 'if (abandon !== undefined) this.#abandon(abandon(asked));',
    replace: 'if (abandon === undefined) throw error;',
    test: 'packages/client/test/prefect/v2/prefect-rest.test.ts',
  },
  {
    name: 'a release that was cancelled is not made up for',
    file: 'client/src/prefect/v1/context.ts',
    find: "cancelled.addEventListener('abort', keep, { once: true });",
    replace: '',
    test: 'packages/client/test/prefect/v1/prefect-rest.test.ts',
  },
  {
    name: 'a lease is thought to last from when its renewal was answered',
    file: 'client/src/prefect/v2/lease-renewal.ts',
    find: 'durationMs - (this.#clock.monotonicMs() - sentMs)',
    replace: 'durationMs - 0 * sentMs',
    test: 'packages/client/test/prefect/v2/lease-renewal.test.ts',
  },
];
