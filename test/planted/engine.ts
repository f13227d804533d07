/** Bugs in the engine, and in how replica, journal and client carry out what it decides. The simulation finds each. */
import type { PlantedBug } from './planted-bug.ts';

const handleAcquire = 'engine/src/handle-acquire.ts';
const handleLimits = 'engine/src/handle-limits.ts';
const handleSessions = 'engine/src/handle-sessions.ts';
const lapsedLeases = 'engine/src/lapsed-leases.ts';
const leases = 'engine/src/leases.ts';
const limitQueue = 'engine/src/limit-queue.ts';
const rate = 'engine/src/rate.ts';
const sessions = 'engine/src/sessions.ts';
const state = 'engine/src/state.ts';
const tickets = 'engine/src/tickets.ts';
const usage = 'engine/src/usage.ts';
const waitQueue = 'engine/src/wait-queue.ts';
const replica = 'server/src/replica/replica.ts';
const session = 'client/src/session.ts';

export const ENGINE: readonly PlantedBug[] = [
  {
    name: 'room is one slot too much',
    file: usage,
    find: 'return settings.active ? settings.slots - takenWithout',
    replace: 'return settings.active ? settings.slots + 1 - takenWithout',
  },
  {
    name: 'room that is gained wakes nobody',
    file: waitQueue,
    find: '    this.#tryFirst(this.limit(name));',
    replace: '    this.limit(name);',
  },
  {
    name: 'who stood behind one that left is not tried',
    file: waitQueue,
    find: '      this.#tryLater(lane);\n      if (lane.parkedOn) this.#tryFirst(lane.parkedOn);',
    replace: '',
  },
  {
    name: 'a waiter that joins is not tried, so parks nowhere',
    file: waitQueue,
    find: '      this.#headChanged(lane);\n      this.#tryLater(lane);\n    }\n  }\n\n  /** Adds a try',
    replace: '      this.#headChanged(lane);\n    }\n  }\n\n  /** Adds a try',
  },
  {
    name: 'a reservation is not withdrawn',
    file: limitQueue,
    find: '    this.#reserving.splice(this.#reserving.indexOf(reservation), 1);',
    replace: '',
  },
  {
    name: 'the first in line is passed without count',
    file: limitQueue,
    find: '    this.#grants += 1;',
    replace: '',
  },
  {
    name: 'a limit that is raised, resumed or switched off wakes nobody',
    file: waitQueue,
    find: '      this.#tryLater(lane);\n      // The setting',
    replace: '      // The setting',
  },
  {
    name: 'who comes later passes those who are parked',
    file: limitQueue,
    find: '    if (firstParked && isBefore(firstParked.head.place, place)) return true;',
    replace: '    if (firstParked && isBefore(firstParked.head.place, place)) void 0;',
  },
  {
    name: 'a try is granted on a paused limit',
    file: waitQueue,
    find: 'limit.isPaused || limit.lacks(',
    replace: 'limit.lacks(',
  },
  {
    name: 'waiters are granted on a paused limit',
    file: waitQueue,
    find: 'if (lane.isPaused) {',
    replace: 'if (lane.limits.length === 0) {',
  },
  {
    name: 'a priority puts back',
    file: handleAcquire,
    find: 'const headStartMs = priority * 1_000;',
    replace: 'const headStartMs = -priority * 1_000;',
  },
  {
    name: 'an acquire that was granted is granted again as it is repeated',
    file: handleAcquire,
    find: 'if (!lease && !ticket) return false;',
    replace: 'if (!ticket) return false;',
  },
  {
    name: 'what a client that comes back does not know of is kept',
    file: handleSessions,
    find: '!(asked && isGrantOf(lease, asked))) leases.release(lease);',
    replace: 'false) leases.release(lease);',
  },
  {
    name: 'a session that is back counts as lapsed',
    file: handleSessions,
    find: '  sessions.revive(session);\n',
    replace: '',
  },
  {
    name: 'a heartbeat does not move the deadline',
    file: handleSessions,
    find: "if (session?.connected && session.connection === connection && session.lifeline === 'heartbeat') {",
    replace: 'if (session?.connected && session.connection > connection) {',
  },
  {
    name: 'leases of a dead client are never ended',
    file: handleSessions,
    find: '    for (const lease of held) leases.expire(lease);',
    replace: '',
  },
  {
    name: 'grants are held back for ever after a start',
    file: waitQueue,
    find: '    this.#isHeldBack = false;',
    replace: '',
  },
  {
    name: 'a resume forgets that its waiters left the line',
    file: handleSessions,
    find: '  for (const ticket of [...tickets.ofSession(session)]) tickets.remove(ticket);\n  sessions.connect(session, connection);',
    replace: '  sessions.connect(session, connection);',
  },
  {
    name: 'a connection that is displaced is not closed',
    file: handleSessions,
    find: "  if (session.connected) notifyDisconnect(parts, session, 'displaced');",
    replace: '',
  },
  {
    name: 'what is dead after its time to live lapses again and again',
    file: handleSessions,
    find: 'if (session.lapsed || held.length === 0) {',
    replace: 'if (held.length === 0) {',
  },
  {
    name: 'expiry is not re-checked',
    file: sessions,
    find: 'if (session.deadlineMs <= nowMs - this.#stalledMs) return session;',
    replace: 'if (session) return session;',
  },
  {
    name: 'the time to live is counted thrice',
    file: sessions,
    find: 'nowMs - this.#stalledMs + inMs);',
    replace: 'nowMs - this.#stalledMs + inMs * 3);',
  },
  {
    name: 'the timeout of a waiter that left is not cancelled',
    file: tickets,
    find: '    if (timeout) this.#deadlines.cancel(timeout);',
    replace: '',
  },
  {
    name: 'lapsed slots are counted one too many',
    file: lapsedLeases,
    find: '    this.#slots += slots;',
    replace: '    this.#slots += slots + 1;',
  },
  {
    name: 'a lapsed lease that is made whole stays on offer',
    file: leases,
    find: '    this.#takeOffLapsed(lease, lease.amounts);',
    replace: '',
  },
  {
    name: 'a session remembers leases that are over',
    file: leases,
    find: '    this.#sessions.removeLease(lease);',
    replace: '',
  },
  {
    name: 'of many slots one is given back',
    file: state,
    find: '  if (frees) giveBack(limit.usage, slots, fact.at);',
    replace: '  if (frees) giveBack(limit.usage, Math.min(1, slots), fact.at);',
  },
  {
    name: 'tokens are counted from 1 again',
    file: state,
    find: '        token: state.position,',
    replace: '        token: state.leases.size + 1,',
  },
  {
    name: 'a waiter that wants more than a limit has now is not refused',
    file: handleLimits,
    find: 'if (refusal) refuseTicket(parts, ticket, refusal);',
    replace: "if (refusal && refusal.code !== 'REQUEST_TOO_LARGE') refuseTicket(parts, ticket, refusal);",
  },
  {
    name: 'waiters of a draining limit stay',
    file: handleLimits,
    find: 'if (refusal) refuseTicket(parts, ticket, refusal);',
    replace: "if (refusal && refusal.code !== 'CONFLICT') refuseTicket(parts, ticket, refusal);",
  },
  {
    name: 'a missing limit is taken as allowed',
    file: 'engine/src/admission.ts',
    find: "onMissing === 'error' && missing.length > 0",
    replace: "onMissing === 'error' && missing.length > 1",
  },
  {
    name: 'answers leave while the write is under way',
    file: 'server/src/replica/group-commit.ts',
    find: '      await durable;\n',
    replace: '      durable.catch(() => {});\n      await null;\n',
  },
  {
    name: 'grants are delivered as they are decided',
    file: replica,
    find: "      if (notice.type !== 'disconnect') batch.notify(",
    replace:
      "      if (notice.type === 'granted') this.#sinks.get(notice.sessionId)?.(notice);\n      else if (notice.type !== 'disconnect') batch.notify(",
  },
  {
    name: 'after a failed write it goes on with what it has in memory',
    file: 'server/src/replica/group-commit.ts',
    find: '      if (!this.#isAbandoned) this.#events.failed((error as Error).message);',
    replace: '      void error;',
  },
  {
    name: 'a snapshot is read without its last lease',
    file: 'journal/src/snapshot-reader.ts',
    find: 'for (const lease of this.#leases) addLease',
    replace: 'for (const lease of this.#leases.slice(0, -1)) addLease',
  },
  {
    name: 'a replay stops before the last fact',
    file: 'journal/src/replay.ts',
    find: '  for await (const stored of facts) apply(state, stored);',
    replace:
      '  let last: StoredFact | undefined;\n  for await (const stored of facts) {\n    if (last) apply(state, last);\n    last = stored;\n  }\n  if (last) state.position = last.position;',
  },
  {
    name: 'a frame is acknowledged as it is read',
    file: 'server/src/session.ts',
    find: "      replica.submit({ type: 'session.alive', sessionId: session, connection }, settled);",
    replace:
      "      replica.submit({ type: 'session.alive', sessionId: session, connection });\n      settled({ is: 'durable', refusal: undefined });",
  },
  {
    name: 'who waits as its client comes back is forgotten',
    file: 'server/src/session.ts',
    find: "else if (message.type === 'acquire') this.#waits.push(message.request);",
    replace: "else if (message.type === 'acquire') void 0;",
  },
  {
    name: 'the trust window is measured from receipt',
    file: session,
    find: "if (this.#mode === 'connected') this.#trust.confirm(frame.sentAtMs);",
    replace: "if (this.#mode === 'connected') this.#trust.confirm(this.#world.clock.monotonicMs());",
  },
  {
    name: 'the trust window ends after the time to live',
    file: 'client/src/trust-window.ts',
    find: 'this.#ttlMs * (1 - MARGIN);',
    replace: 'this.#ttlMs * (1 + 2 * MARGIN);',
  },
  {
    name: 'a lease that is being released is claimed',
    file: session,
    find: "[...this.#leases.values()].filter(({ state }) => state === 'held')",
    replace: '[...this.#leases.values()]',
  },
  {
    name: 'what was asked while the connection was opened is not asked again',
    file: session,
    find: '      if (acquire.askedOn !== this.#connection) this.#ask(acquire);',
    replace: '      void acquire;',
  },
  {
    name: 'an acquire that is given up keeps its place',
    file: session,
    find: "    if (acquire.askedOn === this.#connection) this.#post({ type: 'cancel', leaseId: acquire.id });",
    replace: '',
  },
  {
    name: 'the timer of an acquire that was granted is not cancelled',
    file: 'client/src/waiting-acquire.ts',
    find: '    this.#timer?.cancel();\n',
    replace: '',
  },
  {
    name: 'a frame too many counts as acknowledged',
    file: 'client/src/link.ts',
    find: 'first.number <= ack ?',
    replace: 'first.number <= ack + 1 ?',
  },
  {
    name: 'a rate gives back twice as fast',
    file: rate,
    find: '(slotDecayPerSecond * Math.max(0, nowMs - atMs)) / 1_000',
    replace: '(slotDecayPerSecond * Math.max(0, nowMs - atMs)) / 500',
  },
  {
    name: 'nobody is woken as a rate gives back',
    file: waitQueue,
    find: 'const dueMs = roomAtMs(',
    replace: 'const dueMs = at.limit.settings.slotDecayPerSecond !== null ? null : roomAtMs(',
  },
  {
    name: 'who waits for a rate is woken a second late',
    file: rate,
    find: '  const atMs = nowMs + (',
    replace: '  const atMs = nowMs + 1_000 + (',
  },
  {
    name: 'what is undone of a rate comes back in full',
    file: state,
    find: 'giveBack(usage, undecayed(usage, slots, lease.grantedAtMs, fact.at), fact.at);',
    replace: 'giveBack(usage, slots + 0 * undecayed(usage, slots, lease.grantedAtMs, fact.at), fact.at);',
  },
  {
    name: 'a snapshot has the level of a rate for an older one',
    file: 'journal/src/snapshot-rows.ts',
    find: 'newUsage(slotDecayPerSecond, takenAtMs ?? 0, 0, taken)',
    replace: 'newUsage(slotDecayPerSecond, takenAtMs === null ? 0 : stored.createdAtMs, 0, taken)',
  },
  {
    name: 'who wants rates only is granted slots of a semaphore',
    file: 'engine/src/admission.ts',
    find: '  return semaphores.length > 0 ? notRates(semaphores) : refusal;',
    replace: '  return semaphores.length > amounts.length ? notRates(semaphores) : refusal;',
  },
  {
    name: 'who waits for rates only stays as one becomes a semaphore',
    file: handleLimits,
    find: 'if (refusal) refuseTicket(parts, ticket, refusal);',
    replace: "if (refusal && refusal.code !== 'INVALID_REQUEST') refuseTicket(parts, ticket, refusal);",
  },
  {
    name: 'what was spent stays taken as a rate becomes a semaphore',
    file: usage,
    find: 'isKept ? takenAt(usage, atMs) : usage.held);',
    replace: 'isKept || usage ? takenAt(usage, atMs) : usage.held);',
  },
  {
    name: 'the past of a rate is reckoned by its new decay',
    file: usage,
    find: 'isKept ? takenAt(usage, atMs) : usage.held);',
    replace:
      'isKept ? takenAt(newUsage(slotDecayPerSecond, (usage as rate.RateUsage).atMs ?? atMs, 0, usage.taken), atMs) : usage.held);',
  },
  {
    name: 'what is spent of a rate is held, too',
    file: state,
    find: 'spent.length === 0 ? fact.amounts : fact.amounts.filter((amount) => !spent.includes(amount))',
    replace: 'fact.amounts',
  },
  {
    name: 'after a start it is taken to be a minute later, and rates have more',
    file: replica,
    find: 'const nowMs = Math.max(state.atMs, led.nowMs);',
    replace: 'const nowMs = Math.max(state.atMs, led.nowMs + 60_000);',
  },
  {
    name: 'a page of waiters begins with the one that it is to begin after',
    file: tickets,
    find: 'tickets?.after(after)',
    replace: 'tickets?.from(after)',
    test: 'packages/engine/test/pages.test.ts',
  },
  {
    name: 'a lease that has ended stays among those that spent of its rate',
    file: state,
    find: '  for (const [name] of lease.spent) limits.get(name)?.spenders?.remove(lease);\n',
    replace: '',
    test: 'packages/engine/test/rates.test.ts',
  },
];
