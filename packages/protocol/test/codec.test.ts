import {
  type AcquireRequest,
  type ClientMessage,
  jsonCodec,
  MAX_FRAME_BYTES,
  ProtocolError,
  type ServerMessage,
} from '@slotkeeper/protocol';
import { type Shape, shape } from '@slotkeeper/shape';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acquireRequest, clientRows, grant, place, serverRows } from '../src/rows.ts';

const id = '0b5e9f6e-3c1d-4b52-9d51-0a1b2c3d4e5f';
const holder = { type: 'task', id: '7', label: 'nightly “étl”', host: 'box', pid: 12 };
const error = { code: 'CONFLICT', message: 'No.', details: { name: 'db', seen: [1, null] } } as const;
const request: AcquireRequest = {
  leaseId: id,
  amounts: [
    ['db', 1],
    ['gpu', 2],
  ],
  timeoutMs: null,
  priority: -1.5,
  holder,
  onMissing: { slots: 3 },
  place: { atMs: 17.25, number: 3 },
  ratesOnly: false,
  refunds: false,
  skipInactive: false,
  limitIds: [],
};

const clientMessages: readonly ClientMessage[] = [
  { type: 'hello', versionMin: 2, sessionId: id, connection: 2, ttlMs: null, apiKey: 'k', versionMax: 0 },
  { type: 'hello', versionMin: 2, sessionId: id, connection: 3, ttlMs: 15_000, apiKey: null, versionMax: 4 },
  { type: 'claim', leaseId: id, token: 9 },
  { type: 'acquire', request },
  { type: 'acquire', request: { ...request, timeoutMs: 0, onMissing: 'allow', place: null, ratesOnly: true } },
  { type: 'ready' },
  { type: 'cancel', leaseId: id },
  { type: 'release', leaseId: id, token: 9 },
  { type: 'call', id: 1, method: 'limits.get', params: { name: 'db' } },
  { type: 'bye' },
];

const serverMessages: readonly ServerMessage[] = [
  { type: 'welcome', server: '0.1.0', ttlMs: 15_000, version: 2 },
  { type: 'welcome', server: '0.2.0', ttlMs: null, version: 3 },
  {
    type: 'granted',
    leaseId: id,
    grant: {
      token: 9,
      grantedAtMs: 1.5,
      amounts: [['db', 1]],
      waitedMs: 0,
      warnings: [{ code: 'LIMIT_MISSING', limit: 'gpu' }],
    },
  },
  { type: 'queued', leaseId: id, place: { atMs: -3, number: 1 } },
  { type: 'refused', leaseId: id, error },
  { type: 'ended', leaseId: id, error },
  { type: 'reply', id: 1, value: { items: [], next: null } },
  { type: 'failed', id: 1, error },
  { type: 'goodbye', retry: true, error },
];

test('every message arrives as it was sent', () => {
  const asked = { number: 7, messages: clientMessages };
  const told = { ack: 7, messages: serverMessages };
  expect([...jsonCodec.encodeClientFrame(asked)].map(jsonCodec.decodeClientFrame)).toEqual([asked]);
  expect([...jsonCodec.encodeServerFrame(told)].map(jsonCodec.decodeServerFrame)).toEqual([told]);
});

describe('a peer of 0.1.0, which counts fields', () => {
  test('sends a hello with one version and no range', () => {
    const frame = `[1,["h",2,"${id}",1,15000,null],["r"]]`;
    const [hello] = jsonCodec.decodeClientFrame(frame).messages;
    expect(hello).toEqual({
      type: 'hello',
      versionMin: 2,
      sessionId: id,
      connection: 1,
      ttlMs: 15_000,
      apiKey: null,
      versionMax: 0,
    });
    expect([...jsonCodec.encodeClientFrame({ number: 1, messages: [hello!, { type: 'ready' }] })]).toEqual([frame]);
  });

  test('is sent rows with exactly the fields that it knows', () => {
    const messages: ServerMessage[] = [
      { type: 'welcome', server: '0.2.0', ttlMs: 15_000, version: 2 },
      { type: 'goodbye', retry: true, error },
    ];
    expect([...jsonCodec.encodeServerFrame({ ack: 0, messages })]).toEqual([
      '[0,["w","0.2.0",15000],["b",true,"CONFLICT","No.",{"name":"db","seen":[1,null]}]]',
    ]);
    const acquire = { type: 'acquire', request: { ...request, holder: { ...holder, label: null } } } as const;
    expect([...jsonCodec.encodeClientFrame({ number: 1, messages: [acquire] })]).toEqual([
      `[1,["a","${id}",[["db",1],["gpu",2]],null,-1.5,["task","7",null,"box",12],{"slots":3},[17.25,3],false,false]]`,
    ]);
  });
});

test('fields of a later version are ignored, and so are those that only the server sets', () => {
  const [frame] = [...jsonCodec.encodeClientFrame({ number: 1, messages: clientMessages })];
  const rows = JSON.parse(frame as string) as [number, ...unknown[][]];
  const later = rows.map((row) => (Array.isArray(row) && row[0] !== 'h' ? [...row, true, ['x'], null] : row));
  expect(jsonCodec.decodeClientFrame(JSON.stringify(later)).messages).toEqual(clientMessages);
});

test('a code that a later server made is passed on as it is', () => {
  const [refused] = jsonCodec.decodeServerFrame('[1,["n","a","LATER","text",{}]]').messages;
  expect(refused).toMatchObject({ error: { code: 'LATER' } });
});

test('tables that are written out for speed do what they say', () => {
  const nested = [place, acquireRequest, grant] as Shape<unknown>[];
  const messages = [...clientMessages, ...serverMessages];
  const byType = { ...clientRows, ...serverRows } as Record<string, Shape<unknown>>;
  const samples: [Shape<unknown>, unknown][] = [
    ...messages.map((message): [Shape<unknown>, unknown] => [byType[message.type]!, message]),
    ...[{ atMs: 1.5, number: 2 }, request, (serverMessages[2] as { grant: unknown }).grant].map(
      (value, i): [Shape<unknown>, unknown] => [nested[i]!, value],
    ),
  ];
  for (const [table, value] of samples) {
    const plain = shape(table.fields);
    expect(table.toRow(value)).toEqual(plain.toRow(value));
    expect(table.fromRow(plain.toRow(value))).toEqual(value);
  }
});

test('a frame without messages is a heartbeat', () => {
  expect([...jsonCodec.encodeClientFrame({ number: 3, messages: [] })]).toEqual(['[3]']);
  expect(jsonCodec.decodeClientFrame('[3]')).toEqual({ number: 3, messages: [] });
  expect([...jsonCodec.encodeServerFrame({ ack: 3, messages: [] })]).toEqual(['[3]']);
});

test('what does not fit into one text is cut, in order, below the greatest size as bytes; the last part has the number', () => {
  const many = Array.from({ length: 4_000 }, (_, i): ClientMessage => {
    return { type: 'acquire', request: { ...request, amounts: [[`限${i}`.padEnd(100, '限'), 1]] } };
  });
  const frames = [...jsonCodec.encodeClientFrame({ number: 5, messages: many })];
  expect(frames.length).toBeGreaterThan(1);
  for (const frame of frames) expect(Buffer.byteLength(frame)).toBeLessThan(MAX_FRAME_BYTES);
  const decoded = frames.map(jsonCodec.decodeClientFrame);
  expect(decoded.map(({ number }) => number)).toEqual([...frames.slice(1).map(() => 0), 5]);
  expect(decoded.flatMap(({ messages }) => messages)).toEqual(many);
});

test('all of a server’s cut frames carry the same acknowledgement', () => {
  const many = Array.from(
    { length: 500 },
    (_, i): ServerMessage => ({ type: 'reply', id: i, value: 'x'.repeat(2_000) }),
  );
  const frames = [...jsonCodec.encodeServerFrame({ ack: 5, messages: many })].map(jsonCodec.decodeServerFrame);
  expect(frames.length).toBeGreaterThan(1);
  expect(new Set(frames.map(({ ack }) => ack))).toEqual(new Set([5]));
  expect(frames.flatMap(({ messages }) => messages)).toEqual(many);
});

describe('a malformed frame is refused, and the error names the field', () => {
  const rows: readonly [frame: string, field: string][] = [
    ['', 'frame'],
    ['{"a":1}', 'frame'],
    ['[1,', 'frame'],
    ['[]', 'frame number'],
    ['[-1]', 'frame number'],
    ['[1.5]', 'frame number'],
    ['[1,"r"]', 'message'],
    ['[1,["?"]]', 'message kind'],
    ['[1,["constructor"]]', 'message kind'],
    ['[1,[["r"]]]', 'message kind'],
    ['[1,["h",2,"s",1,null]]', 'hello'],
    ['[1,["x"]]', 'cancel'],
    ['[1,["x",5]]', 'cancel.leaseId'],
    ['[1,["f","a",null]]', 'release.token'],
    ['[1,["f","a",9007199254740993]]', 'release.token'],
    ['[1,["a","a",[["db",null]],null,0,[null,null,null,null,null],"error",null,false,false]]', 'acquire.amounts'],
    ['[1,["a","a",[["db"]],null,0,[null,null,null,null,null],"error",null,false,false]]', 'acquire.amounts'],
    ['[1,["a","a",[["db",1]],"1",0,[null,null,null,null,null],"error",null,false,false]]', 'acquire.timeoutMs'],
    ['[1,["a","a",[["db",1]],null,0,{},"error",null,false,false]]', 'acquire.holder'],
    ['[1,["a","a",[["db",1]],null,0,[null,null,null,null,"1"],"error",null,false,false]]', 'acquire.holder.pid'],
    ['[1,["a","a",[["db",1]],null,0,[null,null,null,null,null],"no",null,false,false]]', 'acquire.onMissing'],
    ['[1,["a","a",[["db",1]],null,0,[null,null,null,null,null],"error",[1],false,false]]', 'acquire.place'],
  ];
  test.each(rows)('%s', (frame, field) => {
    expect(() => jsonCodec.decodeClientFrame(frame)).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'INVALID_REQUEST', field }),
    );
  });

  test('of a server too', () => {
    expect(() => jsonCodec.decodeServerFrame('[1,["n","a","CONFLICT","text",null]]')).toThrow(
      expect.objectContaining({ name: 'ProtocolError', field: 'refused.details' }),
    );
  });

  test('that is bytes, where the encoding is text', () => {
    expect(() => jsonCodec.decodeClientFrame(new Uint8Array([91, 49, 93]))).toThrow(
      expect.objectContaining({ field: 'frame', reason: 'must be text, but was 3 bytes' }),
    );
  });

  test('however deep it is nested', () => {
    expect(() => jsonCodec.decodeClientFrame('['.repeat(500_000) + ']'.repeat(500_000))).toThrow(ProtocolError);
  });
});

test('a frame with a part replaced at random decodes to messages or is a ProtocolError, nothing else', () => {
  const frame = JSON.parse(
    [...jsonCodec.encodeClientFrame({ number: 1, messages: clientMessages })].join(),
  ) as unknown[];
  fc.assert(
    fc.property(fc.nat(frame.length - 1), fc.nat(8), fc.jsonValue(), (row, field, value) => {
      const broken = structuredClone(frame);
      const target = broken[row];
      if (Array.isArray(target)) target[field] = value;
      else broken[row] = value;
      try {
        jsonCodec.decodeClientFrame(JSON.stringify(broken));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }),
  );
});
