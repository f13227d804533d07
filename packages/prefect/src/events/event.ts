/** An event as Prefect has them: something that has happened to a resource. */

/** Labels of a resource; `prefect.resource.id` is one of them. */
export type Resource = Readonly<Record<string, string>>;

export interface PrefectEvent {
  /** A UUID in its canonical form. */
  readonly id: string;
  /** As `instant` writes it (`api/timestamps.ts`). */
  readonly occurred: string;
  /** Its name: `prefect.flow-run.Completed` */
  readonly event: string;
  readonly resource: Resource;
  /** Each with a `prefect.resource.role`. */
  readonly related: readonly Resource[];
  readonly payload: Readonly<Record<string, unknown>>;
  /** The event that came before this one, when both are close in time. */
  readonly follows: string | null;
}

export const RESOURCE_ID = 'prefect.resource.id';
export const RESOURCE_NAME = 'prefect.resource.name';
export const RESOURCE_ROLE = 'prefect.resource.role';

const TOLD_BY_THE_SERVER = /^prefect\.concurrency-limit\.(?:(?:v1\.)?(?:acquired|released)|created|updated|deleted)$/;

/**
 * Whether an event of that name tells of what the journal knows better: slots that were acquired or released, a limit that
 * was changed. Only the server tells of these, once each; what clients send of them is dropped.
 */
export function isToldByServer({ event }: Pick<PrefectEvent, 'event'>): boolean {
  return TOLD_BY_THE_SERVER.test(event);
}
