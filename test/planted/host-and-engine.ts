/** What the host owes the engine: its clock, its wakes, and that it answers nothing which is not durable. */
import type { PlantedBug } from './planted-bug.ts';

const replica = 'server/src/replica/replica.ts';
const pulse = 'server/src/replica/pulse.ts';
const commit = 'server/src/replica/group-commit.ts';
const test = 'packages/server/test/replica.test.ts';
const standstill = 'packages/server/test/standstill.test.ts';
const compaction = 'packages/server/test/compaction.test.ts';
const endings = 'packages/server/test/endings.test.ts';

export const HOST_AND_ENGINE: readonly PlantedBug[] = [
  {
    name: 'after a restart engine time is the wall clock, though that was set back',
    file: replica,
    find: 'Math.max(state.atMs, led.nowMs)',
    replace: 'led.nowMs',
    test,
  },
  {
    name: 'after a restart engine time is that of the host, not of the store',
    file: replica,
    find: 'Math.max(state.atMs, led.nowMs)',
    replace: 'Math.max(state.atMs, this.#clock.wallMs())',
    test: 'packages/server/test/group-commit.test.ts',
  },
  {
    name: 'engine time follows the wall clock while the host runs',
    file: replica,
    find: 'this.#step(run, command, this.#timeOffsetMs + monotonicMs, sink)',
    replace: 'this.#step(run, command, this.#clock.wallMs(), sink)',
    test,
  },
  {
    name: 'a limit that was resumed counts as drained',
    file: 'server/src/replica/drains.ts',
    find: 'batch.settle(isDraining ? settled :',
    replace: 'batch.settle(true ? settled :',
    test,
  },
  {
    name: 'a standstill never reaches the engine',
    file: pulse,
    find: '    this.#events.stoodStill(lateMs, nowMs);\n',
    replace: '',
    test: standstill,
  },
  {
    name: 'a standstill counts twice',
    file: pulse,
    find: '    this.#next?.timer.cancel();\n    this.#next = null;\n    this.#events.stoodStill(lateMs, nowMs);',
    replace: '    this.#events.stoodStill(lateMs, nowMs);',
    test: standstill,
  },
  {
    name: 'a standstill is noticed only by a command',
    file: pulse,
    find: '    if (this.#isLate(this.#clock.monotonicMs())) {',
    replace: '    if (this.#isStopped) {',
    test: standstill,
  },
  {
    name: 'a standstill is noticed only by the timer',
    file: replica,
    find: '    this.#run?.pulse.check(monotonicMs);\n',
    replace: '',
    test: standstill,
  },
  {
    name: 'nothing wakes the engine after a standstill that the timer noticed',
    file: pulse,
    find: '        if (!this.#isStopped) this.#events.wake();',
    replace: '',
    test: standstill,
  },
  {
    name: 'nothing wakes the engine after a standstill that a command noticed',
    file: replica,
    find: '    this.#setPulse(run);\n    return refusal;',
    replace: '    return refusal;',
    test: standstill,
  },
  {
    name: 'a standstill is noticed only at the next deadline',
    file: pulse,
    find: 'Math.min(Math.max(atMs, nowMs), nowMs + PULSE_MS)',
    replace: 'Math.max(atMs, nowMs)',
    test: standstill,
  },
  {
    name: 'deadlines are acted on before what arrived during a standstill is read',
    file: pulse,
    find: '      this.#clock.soon(() => {\n        if (!this.#isStopped) this.#events.wake();\n      });',
    replace: '      this.#events.wake();',
    test: standstill,
  },
  {
    name: 'a batch without facts is delivered without a confirmation',
    file: commit,
    find: 'return batch.isEmpty ? undefined : this.#journal.confirm({ epoch });',
    replace: 'return undefined;',
    test: 'packages/server/test/group-commit.test.ts',
  },
  {
    name: 'what is decided during a write is delivered with it',
    file: commit,
    find: '    this.#open = new Batch();\n    this.#written = batch;',
    replace: '    this.#open = batch;\n    this.#written = batch;',
    test: 'packages/server/test/group-commit.test.ts',
  },
  {
    name: 'a snapshot is stored only when no batch is open',
    file: replica,
    find: '        compaction.batchDurable();',
    replace: '        if (state.position === commit.durablePosition) compaction.batchDurable();',
    test: compaction,
  },
  {
    name: 'a snapshot is stored before its batch is durable',
    file: 'server/src/replica/compaction.ts',
    find: '    this.#begun = this.#begin(state);',
    replace: '    this.#begun = this.#begin(state);\n    this.batchDurable();',
    test: compaction,
  },
  {
    name: 'who waits for a drain never learns that the replica failed or stopped',
    file: replica,
    find: '[...run.commit.abandon(), ...run.drains.abandon()]',
    replace: 'run.commit.abandon()',
    test: endings,
  },
  {
    name: 'a command at which the replica fails has no end',
    file: replica,
    find: '      if (settled) this.#lose([settled]);\n',
    replace: '',
    test: endings,
  },
  {
    name: 'those of the batch that is written never learn that it is lost',
    file: commit,
    find: '...(this.#written?.undelivered() ?? []), ',
    replace: '',
    test: endings,
  },
  {
    name: 'a receiver that throws keeps the others of its batch from their answers',
    file: 'server/src/replica/batch.ts',
    find: '        failure ??= error as Error;',
    replace: '        return error as Error;',
    test: endings,
  },
];
