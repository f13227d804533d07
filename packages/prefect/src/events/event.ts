/** An event as Prefect has them: something that has happened to a resource. */

/** Labels of a resource; `prefect.resource.id` is one of them. */
export type Resource = Readonly<Record<string, string>>;

export interface PrefectEvent {
  /** A UUID in its canonical form. */
  readonly id: string;
  /** As `instant` writes it. */
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

const FIRST_MS = Date.parse('0001-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** A time to the microsecond, in a form in which the order of texts is that of times: `2026-11-24T16:10:00.123456Z`. */
export function instant(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.floor((ms - whole) * 1000);
  const text = new Date(Math.min(Math.max(whole, FIRST_MS), LAST_MS)).toISOString();
  return `${text.slice(0, -1)}${String(micros).padStart(3, '0')}Z`;
}

const TOLD_BY_THE_SERVER = /^prefect\.concurrency-limit\.(?:(?:v1\.)?(?:acquired|released)|created|updated|deleted)$/;

/**
 * Whether an event of that name tells of what the journal knows better: slots that were acquired or released, a limit that
 * was changed. Only the server tells of these, once each; what clients send of them is dropped.
 */
export function isToldByServer({ event }: Pick<PrefectEvent, 'event'>): boolean {
  return TOLD_BY_THE_SERVER.test(event);
}
