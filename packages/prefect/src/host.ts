/**
 * What Prefect's rooms need of the server around them, and all that they know of it. `Replica` is a `Host`.
 *
 * Three rules hold on both sides:
 * - A command is decided at once. What it came to must not be revealed before the host says that it is durable.
 * - What is read of the engine may not be durable yet. It is revealed through `confirm`, or not at all.
 * - The host may fail at any moment: it drops its memory, says of all that was under way that it is lost, reports `failed`,
 *   is not `ready`, and comes back with what was durable.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Command, Engine, Notice, Refusal } from '@slotkeeper/engine';
import type { StoredFact } from '@slotkeeper/journal';

/** The end of what was submitted: in the journal, or lost since the host failed or stopped first. */
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
  /** Facts up to it are durable. */
  readonly durablePosition: number;
  /**
   * Decides now, and returns the refusal. `settled` is called exactly once, never before this returns: when the decision is
   * durable, or lost.
   */
  submit(command: Command, settled?: (outcome: Outcome) => void): Refusal | undefined;
  /** Calls `settled` exactly once, never before this returns: when all that has been decided so far is durable, or lost. */
  confirm(settled: (outcome: Outcome) => void): void;
  /** Notices for the session go to `sink` from now on, each once it is durable, in order. */
  attach(sessionId: string, sink: (notice: Notice) => void): void;
  /** Takes `sink` off the session, if it is still the session's. */
  detach(sessionId: string, sink: (notice: Notice) => void): void;
  /** Durable facts after position `after`. Rejects with a `JournalError`, `HISTORY_GONE` if they are not kept any more. */
  read(after: number, limit: number): Promise<readonly StoredFact[]>;
  on(events: Partial<HostEvents>): void;
}

export interface HostEvents {
  /** More has become durable, and all that waited for it has been called back. */
  flushed(): void;
  /** The host has failed. All that was under way has been told that it is lost. */
  failed(reason: string): void;
}

/** Takes over the connection of a request that asks for a WebSocket. The host has decided by its path whose it is. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
