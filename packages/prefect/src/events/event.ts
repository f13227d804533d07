/** An event in Prefect's sense: something that happened to a resource. */

/** Labels of a resource; `prefect.resource.id` is one of them. */
export type Resource = Readonly<Record<string, string>>;

export interface PrefectEvent {
  /** A UUID in its canonical form. */
  readonly id: string;
  /** The time, as `instant` writes it (`api/timestamps.ts`). */
  readonly occurred: string;
  /** The event's name: `prefect.flow-run.Completed`. */
  readonly event: string;
  readonly resource: Resource;
  /** Each has a `prefect.resource.role`. */
  readonly related: readonly Resource[];
  readonly payload: Readonly<Record<string, unknown>>;
  /** The id of the event before this one, if both are close in time. */
  readonly follows: string | null;
}

export const RESOURCE_ID = 'prefect.resource.id';
export const RESOURCE_NAME = 'prefect.resource.name';
export const RESOURCE_ROLE = 'prefect.resource.role';

const TOLD_BY_THE_SERVER = /^prefect\.concurrency-limit\.(?:(?:v1\.)?(?:acquired|released)|created|updated|deleted)$/;

/**
 * Whether only the server reports events of this name: slots that were acquired or released, a limit that was changed. The
 * journal knows these better than any client, so the server reports each once, and drops what clients send of them.
 */
export function isReportedByServer({ event }: Pick<PrefectEvent, 'event'>): boolean {
  return TOLD_BY_THE_SERVER.test(event);
}
