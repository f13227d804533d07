/**
 * Frames as text, for both ends: a JSON array of a number and messages, each message an array of its kind and its fields
 * (arrays are a fifth faster than objects). Whatever carries frames as text encodes and decodes them; the ends of a session
 * see them as objects. A binary codec can take this module's place.
 *
 * Decoding checks structure: each field is there and of its type. Whether what it says is allowed is up to `requests.ts`,
 * since one bad request is refused while a bad frame ends its connection.
 */
import type { ClientMessage, ErrorCode, Grant, Holder, Method, Place, ServerMessage, WireError } from './messages.ts';
import { ProtocolError, seen } from './problem.ts';

/** A longer frame is refused. */
export const MAX_FRAME_BYTES = 1_048_576;
/** Frames are cut at about this length: each of its UTF-16 units is at most three bytes as UTF-8. */
const CUT_LENGTH = Math.floor(MAX_FRAME_BYTES / 3) - 20;

export interface ClientFrame {
  /** 0: a part of the next frame that has one. */
  readonly number: number;
  readonly messages: readonly ClientMessage[];
}

export interface ServerFrame {
  /** The last client frame that was carried out and made durable. */
  readonly ack: number;
  readonly messages: readonly ServerMessage[];
}

/** In as many texts as it takes for each to stay below `MAX_FRAME_BYTES` (a message that is longer goes alone), the last with its number. */
export function encodeClientFrame({ number, messages }: ClientFrame): Iterable<string> {
  return encode(messages, packClientMessage, { head: 0, lastHead: number });
}

/**
 * In as many texts as it takes for each to stay below `MAX_FRAME_BYTES` (a message that is longer goes alone), all with its `ack`.
 * Each is written as it is asked for: all together may be more than a string can hold.
 */
export function encodeServerFrame({ ack, messages }: ServerFrame): Iterable<string> {
  return encode(messages, packServerMessage, { head: ack, lastHead: ack });
}

/** Throws `ProtocolError`, also if it is longer than `MAX_FRAME_BYTES`. */
export function decodeClientFrame(text: string): ClientFrame {
  // No unit of the text is more than three bytes.
  if (text.length > CUT_LENGTH && Buffer.byteLength(text) > MAX_FRAME_BYTES)
    throw new ProtocolError(
      'frame',
      `must be ${MAX_FRAME_BYTES} bytes at the most, but has ${Buffer.byteLength(text)}`,
    );
  const frame = parse(text);
  return { number: integer(frame[0], 'frame number'), messages: unpackAll(frame, clientKinds) };
}

/** Throws `ProtocolError`. */
export function decodeServerFrame(text: string): ServerFrame {
  const frame = parse(text);
  return { ack: integer(frame[0], 'frame ack'), messages: unpackAll(frame, serverKinds) };
}

type Row = readonly unknown[];

/** How messages of one type travel: `fields` follow the kind, `read` makes the message of the whole row again. */
interface Packing<M> {
  readonly kind: string;
  /** Fields after the kind. */
  readonly fields: number;
  pack(message: M): Row;
  read(row: Row): M;
}

type Packings<M extends { readonly type: string }> = {
  readonly [T in M['type']]: Packing<Extract<M, { readonly type: T }>>;
};

const clientPackings: Packings<ClientMessage> = {
  hello: {
    kind: 'h',
    fields: 5,
    pack: (m) => ['h', m.version, m.sessionId, m.connection, m.ttlMs, m.apiKey],
    read: (row) => ({
      type: 'hello',
      version: integer(row[1], 'hello.version'),
      sessionId: text(row[2], 'hello.session'),
      connection: integer(row[3], 'hello.connection'),
      ttlMs: row[4] === null ? null : number(row[4], 'hello.ttlMs'),
      apiKey: textOrNull(row[5], 'hello.apiKey'),
    }),
  },
  claim: {
    kind: 'c',
    fields: 2,
    pack: (m) => ['c', m.leaseId, m.token],
    read: (row) => ({ type: 'claim', leaseId: text(row[1], 'claim.lease'), token: integer(row[2], 'claim.token') }),
  },
  acquire: {
    kind: 'a',
    fields: 9,
    pack: ({ request: r }) => [
      'a',
      r.leaseId,
      r.amounts,
      r.timeoutMs,
      r.priority,
      packHolder(r.holder),
      r.onMissing,
      packPlace(r.place),
      r.ratesOnly,
      r.refunds,
    ],
    read: (row) => ({
      type: 'acquire',
      request: {
        leaseId: text(row[1], 'acquire.lease'),
        amounts: amounts(row[2], 'acquire.amounts'),
        timeoutMs: row[3] === null ? null : number(row[3], 'acquire.timeoutMs'),
        priority: number(row[4], 'acquire.priority'),
        holder: readHolder(row[5]),
        onMissing: onMissing(row[6], 'acquire.onMissing'),
        place: row[7] === null ? null : readPlace(row[7], 'acquire.place'),
        ratesOnly: bool(row[8], 'acquire.ratesOnly'),
        refunds: bool(row[9], 'acquire.refunds'),
      },
    }),
  },
  ready: { kind: 'r', fields: 0, pack: () => ['r'], read: () => ({ type: 'ready' }) },
  cancel: {
    kind: 'x',
    fields: 1,
    pack: (m) => ['x', m.leaseId],
    read: (row) => ({ type: 'cancel', leaseId: text(row[1], 'cancel.lease') }),
  },
  release: {
    kind: 'f',
    fields: 2,
    pack: (m) => ['f', m.leaseId, m.token],
    read: (row) => ({
      type: 'release',
      leaseId: text(row[1], 'release.lease'),
      token: integer(row[2], 'release.token'),
    }),
  },
  call: {
    kind: 'm',
    fields: 3,
    pack: (m) => ['m', m.id, m.method, m.params],
    read: (row) => ({
      type: 'call',
      id: integer(row[1], 'call.id'),
      method: text(row[2], 'call.method') as Method,
      params: row[3],
    }),
  },
  bye: { kind: 'z', fields: 0, pack: () => ['z'], read: () => ({ type: 'bye' }) },
};

const serverPackings: Packings<ServerMessage> = {
  welcome: {
    kind: 'w',
    fields: 2,
    pack: (m) => ['w', m.server, m.ttlMs],
    read: (row) => ({
      type: 'welcome',
      server: text(row[1], 'welcome.server'),
      ttlMs: row[2] === null ? null : number(row[2], 'welcome.ttlMs'),
    }),
  },
  granted: {
    kind: 'g',
    fields: 6,
    pack: ({ leaseId: lease, grant: g }) => [
      'g',
      lease,
      g.token,
      g.grantedAtMs,
      g.amounts,
      g.waitedMs,
      g.warnings.map(({ code, limit }) => [code, limit]),
    ],
    read: (row) => ({
      type: 'granted',
      leaseId: text(row[1], 'granted.lease'),
      grant: {
        token: integer(row[2], 'granted.token'),
        grantedAtMs: number(row[3], 'granted.grantedAtMs'),
        amounts: amounts(row[4], 'granted.amounts'),
        waitedMs: number(row[5], 'granted.waitedMs'),
        warnings: warnings(row[6], 'granted.warnings'),
      },
    }),
  },
  queued: {
    kind: 'q',
    fields: 2,
    pack: (m) => ['q', m.leaseId, packPlace(m.place)],
    read: (row) => ({
      type: 'queued',
      leaseId: text(row[1], 'queued.lease'),
      place: readPlace(row[2], 'queued.place'),
    }),
  },
  refused: {
    kind: 'n',
    fields: 4,
    pack: (m) => ['n', m.leaseId, ...packError(m.error)],
    read: (row) => ({ type: 'refused', leaseId: text(row[1], 'refused.lease'), error: readError(row, 2, 'refused') }),
  },
  ended: {
    kind: 'e',
    fields: 4,
    pack: (m) => ['e', m.leaseId, ...packError(m.error)],
    read: (row) => ({ type: 'ended', leaseId: text(row[1], 'ended.lease'), error: readError(row, 2, 'ended') }),
  },
  reply: {
    kind: 'v',
    fields: 2,
    pack: (m) => ['v', m.id, m.value],
    read: (row) => ({ type: 'reply', id: integer(row[1], 'reply.id'), value: row[2] }),
  },
  failed: {
    kind: 'd',
    fields: 4,
    pack: (m) => ['d', m.id, ...packError(m.error)],
    read: (row) => ({ type: 'failed', id: integer(row[1], 'failed.id'), error: readError(row, 2, 'failed') }),
  },
  goodbye: {
    kind: 'b',
    fields: 4,
    pack: (m) => ['b', m.retry, ...packError(m.error)],
    read: (row) => ({ type: 'goodbye', retry: bool(row[1], 'goodbye.retry'), error: readError(row, 2, 'goodbye') }),
  },
};

const clientKinds = byKind<ClientMessage>(clientPackings);
const serverKinds = byKind<ServerMessage>(serverPackings);

function byKind<M extends { readonly type: string }>(packings: Packings<M>): ReadonlyMap<unknown, Packing<M>> {
  return new Map((Object.values(packings) as Packing<M>[]).map((packing) => [packing.kind, packing]));
}

function packClientMessage(message: ClientMessage): Row {
  return (clientPackings[message.type] as Packing<ClientMessage>).pack(message);
}

function packServerMessage(message: ServerMessage): Row {
  return (serverPackings[message.type] as Packing<ServerMessage>).pack(message);
}

function* encode<M>(
  messages: readonly M[],
  pack: (message: M) => Row,
  { head, lastHead }: { readonly head: number; readonly lastHead: number },
): Iterable<string> {
  let rows = '';
  for (const message of messages) {
    const row = JSON.stringify(pack(message));
    if (rows !== '' && rows.length + row.length > CUT_LENGTH) {
      yield `[${head}${rows}]`;
      rows = '';
    }
    rows += `,${row}`;
  }
  yield `[${lastHead}${rows}]`;
}

function parse(frame: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new ProtocolError('frame', `must be JSON, but was ${seen(frame)}`);
  }
  return list(value, 'frame');
}

/** All rows of a frame: what follows its number. */
function unpackAll<M>(frame: Row, kinds: ReadonlyMap<unknown, Packing<M>>): M[] {
  const messages: M[] = [];
  for (let i = 1; i < frame.length; i += 1) messages.push(unpack(frame[i], kinds));
  return messages;
}

function unpack<M>(row: unknown, kinds: ReadonlyMap<unknown, Packing<M>>): M {
  const fields = list(row, 'message');
  const packing = kinds.get(fields[0]);
  if (!packing) throw new ProtocolError('message kind', `is unknown: ${seen(fields[0])}`);
  if (fields.length !== packing.fields + 1)
    throw new ProtocolError(
      `message '${packing.kind}'`,
      `must have ${packing.fields} fields, but has ${fields.length - 1}`,
    );
  return packing.read(fields);
}

function packHolder(holder: Holder): Row {
  return [holder.type, holder.id, holder.label, holder.host, holder.pid];
}

function readHolder(value: unknown): Holder {
  const row = list(value, 'acquire.holder', 5);
  return {
    type: textOrNull(row[0], 'acquire.holder.type'),
    id: textOrNull(row[1], 'acquire.holder.id'),
    label: textOrNull(row[2], 'acquire.holder.label'),
    host: textOrNull(row[3], 'acquire.holder.host'),
    pid: row[4] === null ? null : integer(row[4], 'acquire.holder.pid'),
  };
}

function packPlace(place: Place | null): Row | null {
  return place && [place.atMs, place.number];
}

function readPlace(value: unknown, field: string): Place {
  const row = list(value, field, 2);
  return { atMs: number(row[0], field), number: number(row[1], field) };
}

/** As any object: `checkLimitSpec` looks at its fields. */
type OnMissing = Extract<ClientMessage, { readonly type: 'acquire' }>['request']['onMissing'];

function onMissing(value: unknown, field: string): OnMissing {
  if (value === 'error' || value === 'allow') return value;
  return record(value, field) as unknown as OnMissing;
}

function amounts(value: unknown, field: string): [string, number][] {
  const rows = list(value, field);
  for (const row of rows) {
    const pair = list(row, field, 2);
    text(pair[0], field);
    number(pair[1], field);
  }
  return rows as [string, number][];
}

function warnings(value: unknown, field: string): Grant['warnings'] {
  return list(value, field).map((row) => {
    const [code, limit] = list(row, field, 2);
    if (code !== 'LIMIT_MISSING' && code !== 'LIMIT_INACTIVE')
      throw new ProtocolError(`${field} code`, `is unknown: ${seen(code)}`);
    return { code, limit: text(limit, field) };
  });
}

const errorCodes: { readonly [C in ErrorCode]: true } = {
  ACQUIRE_TIMEOUT: true,
  LIMIT_NOT_FOUND: true,
  REQUEST_TOO_LARGE: true,
  QUEUE_FULL: true,
  CONFLICT: true,
  INVALID_REQUEST: true,
  LEASE_LOST: true,
  LEASE_REVOKED: true,
  AUTH: true,
  SERVER_UNREACHABLE: true,
};

function packError(error: WireError): Row {
  return [error.code, error.message, error.details];
}

function readError(row: Row, from: number, field: string): WireError {
  const code = text(row[from], `${field}.code`);
  if (!Object.hasOwn(errorCodes, code)) throw new ProtocolError(`${field}.code`, `is unknown: ${seen(code)}`);
  return {
    code: code as ErrorCode,
    message: text(row[from + 1], `${field}.message`),
    details: record(row[from + 2], `${field}.details`),
  };
}

function list(value: unknown, field: string, length?: number): Row {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length))
    throw new ProtocolError(field, `must be a list${length ? ` of ${length}` : ''}, but was ${seen(value)}`);
  return value;
}

function record(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ProtocolError(field, `must be an object, but was ${seen(value)}`);
  return value as Readonly<Record<string, unknown>>;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string') throw new ProtocolError(field, `must be text, but was ${seen(value)}`);
  return value;
}

function textOrNull(value: unknown, field: string): string | null {
  return value === null ? null : text(value, field);
}

function number(value: unknown, field: string): number {
  if (typeof value !== 'number') throw new ProtocolError(field, `must be a number, but was ${seen(value)}`);
  return value;
}

function integer(value: unknown, field: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new ProtocolError(field, `must be a whole number, 0 or more, but was ${seen(value)}`);
  return value as number;
}

function bool(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw new ProtocolError(field, `must be true or false, but was ${seen(value)}`);
  return value;
}
