/** Who holds slots or waits for them, for people: what the engine calls `Holder`. */
import { nullable } from './composites.ts';
import { integer, text } from './scalars.ts';
import { shape } from './shape.ts';

export const TEXT_MAX = 255;
export const shortText = text(TEXT_MAX);

/** A text for people, if there is one. */
export const label = nullable(shortText);

interface Holder {
  readonly type: string | null;
  readonly id: string | null;
  readonly label: string | null;
  readonly host: string | null;
  readonly pid: number | null;
}

export const holder = shape<Holder>(
  { type: label, id: label, label, host: label, pid: nullable(integer(0, 2 ** 31 - 1)) },
  {
    unrolled: {
      values: ({ type, id, label, host, pid }) => [type, id, label, host, pid],
      object: ([type, id, label, host, pid]) => ({ type, id, label, host, pid }),
    },
  },
);
