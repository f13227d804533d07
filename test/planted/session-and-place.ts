/** Which position in the wait queue a session may have: the one it had, and no other. */
import type { PlantedBug } from './planted-bug.ts';

const session = 'server/src/session.ts';
const test = 'packages/server/test/session.test.ts';

export const SESSION_AND_PLACE: readonly PlantedBug[] = [
  {
    name: 'a hello whose connection number is 0 reaches the engine, which breaks an invariant',
    file: 'protocol/src/rows.ts',
    find: 'connection: integer(1, Number.MAX_SAFE_INTEGER),',
    replace: 'connection: integer(0, Number.MAX_SAFE_INTEGER),',
    test,
  },
  {
    name: 'a grant that arrives as the keeper is closed begins its body',
    file: 'client/src/keeper.ts',
    find: '    this.#throwIfClosed();\n    return this.#run(held, body);',
    replace: '    return this.#run(held, body);',
    test: 'packages/client/test/keeper.test.ts',
  },
  {
    name: 'a lease that is on its way back is handed out as the keeper is closed',
    file: 'client/src/keeper.ts',
    find: '    this.#throwIfClosed();\n    return this.#lease(held);',
    replace: '    return this.#lease(held);',
    test: 'packages/client/test/keeper.test.ts',
  },
  {
    name: 'concurrency() resolves before its release has left',
    file: 'client/src/session.ts',
    find: '    const released = this.release(held);\n    if (this.#outbox.length > 0) {',
    replace: '    const released = this.release(held);\n    return;\n    if (this.#outbox.length > 0) {',
    test: 'packages/client/test/keeper.test.ts',
  },
  {
    name: 'a client that comes back waits at the end',
    file: session,
    find: 'acquireRequest(request, isFirst ? null : request.place)',
    replace: 'acquireRequest(request, null)',
    test,
  },
  {
    name: 'a new session has the position that it claims',
    file: session,
    find: 'acquireRequest(request, isFirst ? null : request.place)',
    replace: 'acquireRequest(request, request.place)',
    test,
  },
  {
    name: 'a new acquire has the position that it claims',
    file: session,
    find: 'request: acquireRequest(message.request, null)',
    replace: 'request: acquireRequest(message.request, message.request.place)',
    test,
  },
  {
    name: 'a position that was never given is a position',
    file: 'engine/src/places.ts',
    find: 'if (number > this.#lastNumber) return',
    replace: 'if (number > Number.MAX_SAFE_INTEGER) return',
    test,
  },
  {
    name: 'a claimed position is as early as its client says',
    file: 'engine/src/places.ts',
    find: 'Math.min(Math.max(atMs, earliestMs), latestMs)',
    replace: 'Math.min(Math.max(atMs, atMs + 0 * earliestMs), latestMs)',
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
