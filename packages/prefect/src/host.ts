/**
 * The host: the server around this package, and all that the package knows of it. `Replica` is a `Host`.
 *
 * Three rules hold on both sides:
 * - `submit` decides a command at once. Do not reveal the result before the host says that it is durable.
 * - What the engine shows may not be durable yet. Reveal it through `confirm`, or not at all.
 * - The host may fail at any moment. It drops its memory, settles all that was under way as lost, is not `ready` and calls
 *   `failed`. It comes back with what was durable.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Command, Engine, Notice, Refusal } from '@slotkeeper/engine';
import type { StoredFact } from '@slotkeeper/journal';

/** How a submitted command ends: it is in the journal, or it is lost since the host failed or stopped first. */
export type Outcome =
  | { readonly is: 'durable'; readonly refusal: Refusal | undefined }
  | { readonly is: 'lost'; readonly reason: string };

export interface Host {
  /** False while the host starts again from its journal, and after it has stopped. */
  readonly ready: boolean;
  /** The engine, for reading. Throws unless `ready`. */
  readonly engine: Pick<Engine, 'state' | 'activeSlots' | 'isValid'>;
  /** Engine time. */
  readonly nowMs: number;
  /** The position of the last durable fact. */
  readonly durablePosition: number;
  /**
   * Decides now, and returns the refusal, if any. `settled` is called exactly once, never before this returns: when the
   * decision is durable, or lost.
   */
  submit(command: Command, settled?: (outcome: Outcome) => void): Refusal | undefined;
  /** Calls `settled` exactly once, never before this returns: when all that has been decided so far is durable, or lost. */
  confirm(settled: (outcome: Outcome) => void): void;
  /** From now on `sink` receives the session's notices, each once it is durable, in order. */
  attach(sessionId: string, sink: (notice: Notice) => void): void;
  /** Ends that, if `sink` is still the session's. */
  detach(sessionId: string, sink: (notice: Notice) => void): void;
  /** Durable facts after position `after`. Rejects with a `JournalError`, `HISTORY_GONE` if they are not kept any more. */
  read(after: number, limit: number): Promise<readonly StoredFact[]>;
  on(events: Partial<HostEvents>): void;
}

export interface HostEvents {
  /** A batch has become durable, and all its callbacks have run. */
  flushed(): void;
  /** The host has failed. All that was under way has been settled as lost. */
  failed(reason: string): void;
}

/** Takes over the connection of a request that asks for a WebSocket. The host chooses the `Upgrade` by the path. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
