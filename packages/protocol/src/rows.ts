/**
 * The messages as rows: for each a table of fields, in the order of the row. A new field is added only at the end, with a
 * default (versions.ts).
 */
import {
  amounts,
  anyText,
  anything,
  boolean,
  count,
  type Field,
  holder,
  inline,
  integer,
  leaf,
  list,
  local,
  milliseconds,
  nullable,
  object,
  orDefault,
  pair,
  record,
  row,
  type Shape,
  shape,
  tag,
  uuid,
  wordOr,
} from '@slotkeeper/shape';
import type { WireError } from './errors.ts';
import type { AcquireRequest, ClientMessage, Grant, Method, Place, ServerMessage, Warning } from './messages.ts';
import { newLimit, priority, timeoutMs, ttlMs } from './settings.ts';
import { FIRST_VERSION } from './versions.ts';

/** A table for each kind of message. */
export type Rows<M extends { readonly type: string }> = {
  readonly [T in M['type']]: Shape<Extract<M, { readonly type: T }>>;
};

/** A place in the wait queue, as a server gave it. */
export const place = shape<Place>(
  { atMs: milliseconds, number: count },
  {
    unrolled: {
      values: ({ atMs, number }) => [atMs, number],
      object: ([atMs, number]) => ({ atMs, number }),
    },
  },
);

const NO_IDS: readonly string[] = [];

export const acquireRequest = shape<AcquireRequest>({
  leaseId: uuid,
  amounts,
  timeoutMs,
  priority,
  holder: row(holder),
  onMissing: wordOr(['error', 'allow'], object(newLimit), 'a limit’s settings'),
  place: nullable(row(place)),
  ratesOnly: boolean,
  refunds: boolean,
  skipInactive: local(false),
  limitIds: local(NO_IDS),
});

/** A code that this version knows, or one of a later version, which the receiver passes on as it is. */
function laterCode<C extends string>(): Field<C> {
  return leaf('text', (value): value is C => typeof value === 'string', { type: 'string' }, undefined, 'string');
}

const codeAndLimit = pair(laterCode<Warning['code']>(), anyText);

const warning: Field<Warning> = {
  read: (value) => {
    const [code, limit] = codeAndLimit.read(value);
    return { code, limit };
  },
  write: ({ code, limit }) => [code, limit],
  check: codeAndLimit.check,
  schema: codeAndLimit.schema,
};

export const grant = shape<Grant>({
  token: count,
  grantedAtMs: milliseconds,
  amounts,
  waitedMs: milliseconds,
  warnings: list(warning),
});

const error = inline(shape<WireError>({ code: laterCode(), message: anyText, details: record }));

export const clientRows: Rows<ClientMessage> = {
  hello: shape({
    type: tag('h', 'hello'),
    versionMin: count,
    sessionId: uuid,
    connection: integer(1, Number.MAX_SAFE_INTEGER),
    ttlMs,
    apiKey: nullable(anyText),
    versionMax: orDefault(count, 0),
  }),
  claim: shape({ type: tag('c', 'claim'), leaseId: anyText, token: count }),
  acquire: shape(
    { type: tag('a', 'acquire'), request: inline(acquireRequest) },
    {
      unrolled: {
        // biome-ignore format: the order of the table
        values: ({ type, request: r }) =>
          [type, r.leaseId, r.amounts, r.timeoutMs, r.priority, r.holder, r.onMissing, r.place, r.ratesOnly, r.refunds],
        // biome-ignore format: as above
        object: ([type, leaseId, amounts, timeoutMs, priority, holder, onMissing, place, ratesOnly, refunds, skipInactive, limitIds]) =>
          ({ type, request: { leaseId, amounts, timeoutMs, priority, holder, onMissing, place, ratesOnly, refunds, skipInactive, limitIds } }),
      },
    },
  ),
  ready: shape({ type: tag('r', 'ready') }),
  cancel: shape({ type: tag('x', 'cancel'), leaseId: anyText }),
  release: shape(
    { type: tag('f', 'release'), leaseId: anyText, token: count },
    {
      unrolled: {
        values: ({ type, leaseId, token }) => [type, leaseId, token],
        object: ([type, leaseId, token]) => ({ type, leaseId, token }),
      },
    },
  ),
  call: shape({ type: tag('m', 'call'), id: count, method: laterCode<Method>(), params: anything }),
  bye: shape({ type: tag('z', 'bye') }),
};

export const serverRows: Rows<ServerMessage> = {
  welcome: shape({
    type: tag('w', 'welcome'),
    server: anyText,
    ttlMs,
    version: orDefault(count, FIRST_VERSION),
  }),
  granted: shape(
    { type: tag('g', 'granted'), leaseId: anyText, grant: inline(grant) },
    {
      unrolled: {
        // biome-ignore format: the order of the table
        values: ({ type, leaseId, grant: g }) =>
          [type, leaseId, g.token, g.grantedAtMs, g.amounts, g.waitedMs, g.warnings],
        // biome-ignore format: as above
        object: ([type, leaseId, token, grantedAtMs, amounts, waitedMs, warnings]) =>
          ({ type, leaseId, grant: { token, grantedAtMs, amounts, waitedMs, warnings } }),
      },
    },
  ),
  queued: shape({ type: tag('q', 'queued'), leaseId: anyText, place: row(place) }),
  refused: shape({ type: tag('n', 'refused'), leaseId: anyText, error }),
  ended: shape({ type: tag('e', 'ended'), leaseId: anyText, error }),
  reply: shape({ type: tag('v', 'reply'), id: count, value: anything }),
  failed: shape({ type: tag('d', 'failed'), id: count, error }),
  goodbye: shape({ type: tag('b', 'goodbye'), retry: boolean, error }),
};
