/**
 * A replica: one engine over one journal. Commands are decided at once; what they come to is told when the batch that was
 * open as they were decided is durable, never before.
 */
import type { Command, Notice, Refusal } from '@slotkeeper/engine';

export interface Replica {
  /** Decides now. `done` hears once it is durable; it is not called if the replica fails before (then `onFailure` listeners are). */
  submit(command: Command, done?: (refusal: Refusal | undefined) => void): void;

  /** Notices for `session` go to `sink` from now on, each once it is durable, in order. One sink a session; null takes it off. */
  attach(session: string, sink: ((notice: Notice) => void) | null): void;

  /** Reads the state as it stands now; told, like any answer, once what it saw is durable. */
  read<T>(query: (engine: EngineView) => T, done: (value: T) => void): void;

  /** Called after each flush, when all answers of a batch have been handed to their sinks: the moment to write one frame. */
  onFlushed(listener: () => void): void;

  /** Called when the replica has dropped its memory (an append failed) or stops: whatever is under way will never be answered. */
  onFailure(listener: (reason: string) => void): void;
}

/** What may be read of the engine. */
export interface EngineView {
  readonly state: import('@slotkeeper/engine').State;
}
