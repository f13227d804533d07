/** Strict reading of single values: columns of a database, rows whose table is not known yet. Each throws `Malformed`. */
import { anyText, Malformed, nullable, seen } from '@slotkeeper/shape';
import * as stored from './stored.ts';

export const text = anyText.read;
export const count = stored.count.read;
export const countOrNull = nullable(stored.count).read;
export const ms = stored.ms.read;

export function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new Malformed('', 'it is no JSON');
  }
}

export function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Malformed('', `it has ${seen(value)} where a list should be`);
}

/** A list of exactly that many fields. */
export function tuple(value: unknown, length: number): readonly unknown[] {
  const fields = list(value);
  if (fields.length === length) return fields;
  throw new Malformed('', `it has ${seen(value)} where ${length} fields should be`);
}
