/** Which position in the wait queue a session may have: the one it had, and no other. */
import type { PlantedBug } from './planted-bug.ts';

const session = 'server/src/session.ts';
const test = 'packages/server/test/session.test.ts';

export const SESSION_AND_PLACE: readonly PlantedBug[] = [
  {
    name: 'a client that comes back waits at the end',
    file: session,
    find: 'acquireRequest(request, request.place)',
    replace: 'acquireRequest(request, null)',
    test,
  },
  {
    name: 'a later connection is notified of what was decided for an earlier one',
    file: 'server/src/replica.ts',
    find: 'else answer.sink?.(answer.notice);',
    replace: 'else this.#sinks.get(answer.notice.sessionId)?.(answer.notice);',
    test,
  },
];
