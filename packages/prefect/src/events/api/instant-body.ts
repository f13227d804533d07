/** Reads a time in the forms that Prefect's server accepts: ISO 8601, or seconds or milliseconds since 1970. */

import { instant } from '../../api/timestamps.ts';
import { fault, type Reader } from '../../input/faults.ts';

const ISO = /^(\d{4}-\d\d-\d\d)(?:[T _](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
const NUMBER = /^[+-]?\d+(?:\.\d+)?$/;
/** A greater number counts as milliseconds. */
const SECONDS_MAX = 2e10;

/** Reads a time to the form of `instant`. A time without a zone counts as UTC. */
export const readInstant: Reader<string> = (input, loc) => {
  if (typeof input !== 'string' && typeof input !== 'number') {
    return fault('datetime_type', 'Input should be a valid datetime', input, loc);
  }
  const time = typeof input === 'string' && !NUMBER.test(input) ? fromIso(input) : fromNumber(Number(input));
  if (time !== undefined) return time;
  const error = 'no such time';
  return fault('datetime_parsing', `Input should be a valid datetime, ${error}`, input, loc, { error });
};

function fromNumber(number: number): string | undefined {
  const ms = Math.abs(number) > SECONDS_MAX ? number : number * 1000;
  return isInRange(ms) ? instant(ms) : undefined;
}

function fromIso(text: string): string | undefined {
  const [, date, minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = ISO.exec(text.trim()) ?? [];
  if (date === undefined) return undefined;
  const asUtcMs = Date.parse(`${date}T${minutes}:${seconds}Z`);
  // JavaScript reads the 30th of February as the 2nd of March: such a date is refused.
  if (Number.isNaN(asUtcMs) || !new Date(asUtcMs).toISOString().startsWith(date)) return undefined;
  const atMs = asUtcMs - offsetMs(zone);
  if (!isInRange(atMs)) return undefined;
  return `${new Date(atMs).toISOString().slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

function offsetMs(zone: string): number {
  if (/z/i.test(zone)) return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** Whether the year has four digits. */
function isInRange(ms: number): boolean {
  return ms >= Date.parse('0001-01-01T00:00:00Z') && ms < Date.parse('+010000-01-01T00:00:00Z');
}
