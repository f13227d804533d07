/** What takes slots and gives them back: a Prefect server by its REST API, or a keeper of our own. */
import type { Patience } from '../shared/patience.ts';
import type { Service } from '../shared/servers.ts';

export interface SlotService extends Service {
  /**
   * Takes one slot of each limit, all or nothing, waiting for them as long as `patience` lasts. Names without a limit
   * limit nothing. Leaks nothing when it rejects.
   *
   * @param names distinct, at least one
   * @throws the reason of `patience.over` once that aborts, or why the slots cannot be taken
   */
  acquire(names: readonly string[], taskRunId: string, patience: Patience): Promise<Hold>;

  /** Gives back what the task run holds of these limits; changes nothing where it holds none. */
  release(names: readonly string[], taskRunId: string, occupancySeconds: number): Promise<void>;
}

/** Slots that are held. */
export interface Hold {
  /** Gives them back, once. Rejects with the signal's reason when that aborts before it is known that they are back. */
  release(occupancySeconds: number, signal?: AbortSignal): Promise<void>;
}
