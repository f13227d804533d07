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
    file: 'server/src/replica/replica.ts',
    find: 'batch.notify(notice, this.#sinks.get(notice.sessionId));',
    replace: 'batch.notify(notice, (late) => this.#sinks.get(notice.sessionId)?.(late));',
    test,
  },
];
