/** Strict reading of values that were written to disk: each function returns what it promises or throws `Malformed`. */

/** What was read is nothing that this version writes. Whoever knows the place turns it into a `JournalError`. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** @throws Malformed on anything that is no JSON. */
export function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new Malformed('it is no JSON');
  }
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : expected('a list', value);
}

/** A list of exactly that many fields. */
export function tuple(value: unknown, length: number): readonly unknown[] {
  const fields = list(value);
  return fields.length === length ? fields : expected(`${length} fields`, value);
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : expected('a text', value);
}

export function textOrNull(value: unknown): string | null {
  return value === null ? null : text(value);
}

/** A whole number from 0 to 2⁵³ − 1. */
export function count(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : expected('a count', value);
}

export function countOrNull(value: unknown): number | null {
  return value === null ? null : count(value);
}

/** A point in time or a span of it; it may have a fraction. */
export function ms(value: unknown): number {
  return Number.isFinite(value) ? (value as number) : expected('milliseconds', value);
}

export function msOrNull(value: unknown): number | null {
  return value === null ? null : ms(value);
}

export function positiveOrNull(value: unknown): number | null {
  return value === null || (Number.isFinite(value) && (value as number) > 0)
    ? (value as number | null)
    : expected('a number above 0', value);
}

/** Slots, of which a fraction may have come back. */
export function slotsTaken(value: unknown): number {
  return Number.isFinite(value) && (value as number) >= 0
    ? (value as number)
    : expected('a number of slots, or a part of one', value);
}

export function flag(value: unknown): boolean {
  return typeof value === 'boolean' ? value : expected('true or false', value);
}

export function oneOf<const T extends string>(allowed: readonly T[], value: unknown): T {
  const found = allowed.find((candidate) => candidate === value);
  return found ?? expected(`one of ${allowed.join(', ')}`, value);
}

function expected(what: string, value: unknown): never {
  throw new Malformed(`it has ${(JSON.stringify(value) ?? String(value)).slice(0, 80)} where ${what} should be`);
}
