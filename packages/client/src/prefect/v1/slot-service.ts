/** A server that slots are taken from: a Prefect server over its REST API, or a keeper of our own. */
import type { Deadline } from '../shared/deadline.ts';
import type { Service } from '../shared/servers.ts';

export interface SlotService extends Service {
  /**
   * Takes one slot of each limit, all or nothing, and waits for them until the deadline. Names without a limit limit
   * nothing. Leaks nothing when it rejects.
   *
   * @param names distinct, at least one
   * @throws the deadline's error once that is over, or why the slots cannot be taken
   */
  acquire(names: readonly string[], taskRunId: string, deadline: Deadline): Promise<Hold>;

  /** Gives back what the task run holds of these limits; changes nothing where it holds none. */
  release(names: readonly string[], taskRunId: string, occupancySeconds: number): Promise<void>;
}

/** Slots that are held. */
export interface Hold {
  /** Gives them back, once. Rejects with the signal's reason when that aborts before it is known that they are back. */
  release(occupancySeconds: number, signal?: AbortSignal): Promise<void>;
}
