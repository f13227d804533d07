/**
 * Kinds of fields as they are stored. They check what a value is, not what a user may ask for: such bounds change from version
 * to version, and a value that an earlier version stored must be read.
 */
import type { Actor, Amounts, Holder, LimitSettings } from '@slotkeeper/engine';
import {
  anyText,
  boolean,
  type Field,
  leaf,
  list,
  Malformed,
  nullable,
  oneOf,
  orDefault,
  pair,
  row,
  type Shape,
  shape,
} from '@slotkeeper/shape';

/** JSON has no NaN: it would be written as null, acknowledged, and not be readable. So numbers are checked when they are written. */
function number(kind: string, is: (value: unknown) => value is number): Field<number> {
  const field = leaf(kind, is, { type: 'number' });
  return { ...field, write: field.read };
}

/** From 0 to 2⁵³ − 1. */
export const count = number(
  'a count',
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
);

/** A point in time or a span of it; it may have a fraction. */
export const ms = number('milliseconds', (value): value is number => Number.isFinite(value));

/** Slots, of which a fraction may have come back. */
export const slotsTaken = number(
  'a number of slots, 0 or more',
  (value): value is number => Number.isFinite(value) && (value as number) >= 0,
);

const decay = number('a number above 0', (value): value is number => Number.isFinite(value) && (value as number) > 0);

// The engine has counted with these numbers, so they are not checked when they are written.
export const amounts: Field<Amounts> = list(pair(anyText, { ...count, write: undefined }));

const textOrNull = nullable(anyText);

/** A row within a row, of exactly its fields. */
export function exactRow<T>(whole: Shape<T>): Field<T> {
  return { ...row(whole), read: (value) => readExact(whole, value) };
}

/** A format is exact: a field too many is damage (formats.ts). Throws `Malformed`. */
export function readExact<T>(whole: Shape<T>, value: unknown): T {
  if (!Array.isArray(value)) throw new Malformed('', 'must be a list');
  // Too few are refused there.
  if (value.length > whole.most) throw new Malformed('', `must have ${whole.most} fields, but has ${value.length}`);
  return whole.fromRow(value);
}

export const holder = exactRow(
  shape<Holder>(
    { type: textOrNull, id: textOrNull, label: textOrNull, host: textOrNull, pid: nullable(count) },
    {
      unrolled: {
        values: ({ type, id, label, host, pid }) => [type, id, label, host, pid],
        object: ([type, id, label, host, pid]) => ({ type, id, label, host, pid }),
      },
    },
  ),
);

/** Was added to format 4 before it was released: a row without it is of nobody who is known. */
export const by: Field<Actor | null> = orDefault(
  nullable(exactRow(shape<Actor>({ key: textOrNull, address: textOrNull }))),
  null,
);

export const settings = shape<LimitSettings>({
  slots: count,
  slotDecayPerSecond: nullable(decay),
  active: boolean,
  mode: oneOf('open', 'paused', 'draining'),
  overtakes: count,
  maxWaiters: nullable(count),
  description: textOrNull,
});

export const lifeline = oneOf('heartbeat', 'renewal', 'process');
export const origin = oneOf('session', 'prefect-tag', 'prefect-lease', 'prefect-bare');
