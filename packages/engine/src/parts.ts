/** The parts of one engine. Each owns its fields; the handlers of commands are functions over all of them. */
import type { Bounds } from './bounds.ts';
import { Deadlines } from './deadlines.ts';
import type { EngineMs } from './facts.ts';
import { Leases } from './leases.ts';
import { Ledger } from './ledger.ts';
import { Places } from './places.ts';
import { Sessions } from './sessions.ts';
import type { State } from './state.ts';
import { Tickets } from './tickets.ts';
import { WaitQueue } from './wait-queue.ts';

export interface Parts {
  readonly bounds: Bounds;
  readonly ledger: Ledger;
  readonly deadlines: Deadlines;
  readonly queue: WaitQueue;
  readonly places: Places;
  readonly sessions: Sessions;
  readonly tickets: Tickets;
  readonly leases: Leases;
}

export function newParts(state: State, epoch: number, nowMs: EngineMs, bounds: Bounds): Parts {
  const ledger = new Ledger(state, nowMs);
  const deadlines = new Deadlines();
  const queue = new WaitQueue(deadlines);
  const places = new Places(epoch, nowMs);
  const sessions = new Sessions(deadlines);
  const tickets = new Tickets(queue, deadlines, sessions);
  const leases = new Leases(ledger, queue, sessions);
  return { bounds, ledger, deadlines, queue, places, sessions, tickets, leases };
}

/** Call when a session has lost a lease, a ticket or its connection. Forgets it if it has none of these any more. */
export function forgetIfIdle({ sessions, tickets }: Parts, sessionId: string): void {
  const session = sessions.get(sessionId);
  if (!session || session.leases.size > 0 || tickets.ofSession(session).size > 0) return;
  if (!session.connected || session.lifeline === 'renewal') sessions.delete(session);
}
