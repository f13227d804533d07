/** The task runs among those who hold a limit. */
import type { Lease, Limit } from '@slotkeeper/engine';
import type { Host } from '../host.ts';

/** The ids of the task runs, one for each lease, in the order of their grants. */
export function taskRunsOn({ engine }: Host, limit: Limit): string[] {
  return [...limit.leases]
    .filter(({ id, token }) => engine.isValid(id, token))
    .map(taskRunOf)
    .filter((id) => id !== null);
}

export function taskRunOf({ holder }: Lease): string | null {
  return holder.type === 'task_run' ? holder.id : null;
}
