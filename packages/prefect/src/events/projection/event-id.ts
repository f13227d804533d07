/** Ids that are derived from the facts, so that an event that is sent twice is still one event. */
import { hash } from 'node:crypto';

/**
 * A UUID of version 7: the time, then a hash of `parts` in place of random bits.
 *
 * @param atMs when the event occurred
 * @param parts what distinguishes the event from all others of that time
 */
export function eventId(atMs: number, ...parts: readonly (string | number)[]): string {
  const time = Math.floor(atMs).toString(16).padStart(12, '0').slice(-12);
  const rest = hash('sha256', JSON.stringify(parts), 'hex');
  const variant = ((Number.parseInt(rest[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-${variant}${rest.slice(4, 7)}-${rest.slice(7, 19)}`;
}
