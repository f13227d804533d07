/**
 * What Prefect's rooms need of the server around them, and all that they know of it. `Replica` is a `Host`.
 *
 * Three rules hold on both sides:
 * - A command is decided at once. What it came to must not be revealed before the host says that it is durable.
 * - What is read of the engine may not be durable yet. It is revealed through `tell`, or not at all.
 * - The host may fail at any moment: it drops its memory, reports `failed`, is not `ready`, and comes back with what was
 *   durable. What was under way is never answered by it; each room answers its own clients.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Command, Engine, Notice, Refusal } from '@slotkeeper/engine';
import type { StoredFact } from '@slotkeeper/journal';

export interface Host {
  /** False while the host starts again from its journal, and after it has stopped. */
  readonly ready: boolean;
  /** The engine, for reading. Throws unless `ready`. */
  readonly engine: Pick<Engine, 'state' | 'activeSlots' | 'isValid'>;
  /** Engine time. */
  readonly nowMs: number;
  /** Decides now; `done` is called with the refusal once the decision is durable. Throws unless `ready`. */
  submit(command: Command, done?: (refusal: Refusal | undefined) => void): Refusal | undefined;
  /** Calls back once all that has been decided so far is durable. Throws unless `ready`. */
  tell(callback: () => void): void;
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
  /** The host has failed. */
  failed(reason: string): void;
}

/** Takes over the connection of a request that asks for a WebSocket. The host has decided by its path whose it is. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
