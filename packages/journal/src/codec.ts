/**
 * Facts as text and back. A fact is a row: what it is, its time, then its other fields, in the order of its table. A change
 * of a table is a new format (formats.ts).
 */
import type { Fact, FactType } from '@slotkeeper/engine';
import {
  anyText,
  boolean,
  type Field,
  inline,
  list,
  Malformed,
  nullable,
  oneOf,
  type Shape,
  shape,
} from '@slotkeeper/shape';
import { amounts, by, count, holder, lifeline, ms, origin, readExact, settings } from './stored.ts';

type FactOf<T extends FactType> = Extract<Fact, { readonly type: T }>;

/** The word that begins a fact's row, and says which table reads it. */
function word<T extends FactType>(type: T, short: string): Field<T> {
  return { read: () => type, write: () => short, check: () => undefined, schema: { const: type } };
}

const FACTS: { readonly [T in FactType]: { readonly word: string; readonly shape: Shape<FactOf<T>> } } = {
  'limit.set': {
    word: 'set',
    shape: shape<FactOf<'limit.set'>>({
      type: word('limit.set', 'set'),
      at: ms,
      name: anyText,
      id: anyText,
      settings: inline(settings),
      by,
    }),
  },
  'limit.deleted': {
    word: 'delete',
    shape: shape<FactOf<'limit.deleted'>>({ type: word('limit.deleted', 'delete'), at: ms, name: anyText, by }),
  },
  'limit.renamed': {
    word: 'rename',
    shape: shape<FactOf<'limit.renamed'>>({
      type: word('limit.renamed', 'rename'),
      at: ms,
      name: anyText,
      to: anyText,
      by,
    }),
  },
  'untracked.set': {
    word: 'occupy',
    shape: shape<FactOf<'untracked.set'>>({
      type: word('untracked.set', 'occupy'),
      at: ms,
      name: anyText,
      slots: count,
      by,
    }),
  },
  'untracked.returned': {
    word: 'return',
    shape: shape<FactOf<'untracked.returned'>>({ type: word('untracked.returned', 'return'), at: ms, amounts }),
  },
  'lease.granted': {
    word: 'grant',
    shape: shape<FactOf<'lease.granted'>>(
      {
        type: word('lease.granted', 'grant'),
        at: ms,
        leaseId: anyText,
        sessionId: anyText,
        lifeline,
        ttlMs: nullable(ms),
        amounts,
        holder,
        refunds: boolean,
        origin,
      },
      {
        unrolled: {
          // biome-ignore format: the order of the table, in one line each
          values: ({ type, at, leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin }) =>
            [type, at, leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin],
          // biome-ignore format: as above
          object: ([type, at, leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin]) =>
            ({ type, at, leaseId, sessionId, lifeline, ttlMs, amounts, holder, refunds, origin }),
        },
      },
    ),
  },
  'lease.renewed': {
    word: 'renew',
    shape: shape<FactOf<'lease.renewed'>>({
      type: word('lease.renewed', 'renew'),
      at: ms,
      leaseId: anyText,
      ttlMs: nullable(ms),
    }),
  },
  'lease.released': {
    word: 'release',
    shape: shape<FactOf<'lease.released'>>(
      {
        type: word('lease.released', 'release'),
        at: ms,
        leaseId: anyText,
        names: nullable(list(anyText)),
        how: oneOf('returned', 'undone', 'untracked'),
      },
      {
        unrolled: {
          values: ({ type, at, leaseId, names, how }) => [type, at, leaseId, names, how],
          object: ([type, at, leaseId, names, how]) => ({ type, at, leaseId, names, how }),
        },
      },
    ),
  },
  'lease.expired': {
    word: 'expire',
    shape: shape<FactOf<'lease.expired'>>({ type: word('lease.expired', 'expire'), at: ms, leaseId: anyText }),
  },
  'lease.revoked': {
    word: 'revoke',
    shape: shape<FactOf<'lease.revoked'>>({
      type: word('lease.revoked', 'revoke'),
      at: ms,
      leaseId: anyText,
      reason: anyText,
      by,
    }),
  },
};

const BY_WORD = new Map<unknown, Shape<Fact>>(
  Object.values(FACTS).map(({ word, shape }) => [word, shape as unknown as Shape<Fact>]),
);

export function encodeFacts(facts: readonly Fact[]): string {
  return JSON.stringify(facts.map((fact) => (FACTS[fact.type].shape as unknown as Shape<Fact>).toRow(fact)));
}

/** Takes the row over. Throws `Malformed` on anything that `encodeFacts` does not write. */
export function decodeFact(value: unknown): Fact {
  const word = Array.isArray(value) ? value[0] : undefined;
  const shape = BY_WORD.get(word);
  if (!shape) throw new Malformed('', `it has a fact of the unknown kind ${JSON.stringify(word)}`);
  return readExact(shape, value);
}
