/** Ids that can be derived again: so an event that is told twice is still one event. */
import { hash } from 'node:crypto';

/**
 * A UUID of version 7: its time, then instead of chance what tells the event from all others of that time.
 *
 * @param atMs when it occurred
 */
export function eventId(atMs: number, ...parts: readonly (string | number)[]): string {
  const time = Math.floor(atMs).toString(16).padStart(12, '0').slice(-12);
  const rest = hash('sha256', JSON.stringify(parts), 'hex');
  const variant = ((Number.parseInt(rest[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-${variant}${rest.slice(4, 7)}-${rest.slice(7, 19)}`;
}
