import { printable } from './printable.ts';

/** What is wrong with a value: which field, and why. */
export interface Problem {
  /** The field as its sender knows it: `slots`, `holder.pid`. Empty: the value itself. */
  readonly field: string;
  /** What the field must be, and what was seen. The text goes on from the field's name. */
  readonly reason: string;
}

/** Thrown for a row that cannot be read. Each shape around it puts its field's name in front. */
export class Malformed extends Error implements Problem {
  override readonly name = 'Malformed';
  readonly field: string;
  readonly reason: string;

  constructor(field: string, reason: string) {
    super(`${field} ${reason}`.trimStart());
    this.field = field;
    this.reason = reason;
  }

  /** The same, seen from a shape that has it in its field `name`. */
  within(name: string): Malformed {
    return new Malformed(within(name, this.field), this.reason);
  }
}

/** The name of a field within another. */
export function within(whole: string, field: string): string {
  if (whole === '') return field;
  return field === '' ? whole : `${whole}.${field}`;
}

/** A short text for any value, as reasons show it. */
export function seen(value: unknown): string {
  if (typeof value === 'string')
    return printable(JSON.stringify(value.length <= 40 ? value : `${value.slice(0, 40)}…`));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === undefined ? 'missing' : `of type ${typeof value}`;
}
