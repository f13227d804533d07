import {
  type ClientMessage,
  decodeClientFrame,
  decodeServerFrame,
  encodeClientFrame,
  encodeServerFrame,
  MAX_FRAME_BYTES,
  ProtocolError,
  type ServerMessage,
  type WireAcquire,
} from '@slotkeeper/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const id = '0b5e9f6e-3c1d-4b52-9d51-0a1b2c3d4e5f';
const holder = { type: 'task', id: '7', label: 'nightly “étl”', host: 'box', pid: 12 };
const error = { code: 'CONFLICT', message: 'No.', details: { name: 'db', seen: [1, null] } } as const;
const request: WireAcquire = {
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
};

const clientMessages: readonly ClientMessage[] = [
  { type: 'hello', version: 1, sessionId: id, connection: 2, ttlMs: null, apiKey: 'k' },
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
  { type: 'welcome', server: '0.1.0', ttlMs: 15_000 },
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
  expect([...encodeClientFrame(asked)].map(decodeClientFrame)).toEqual([asked]);
  expect([...encodeServerFrame(told)].map(decodeServerFrame)).toEqual([told]);
});

test('a frame without messages is a heartbeat', () => {
  expect([...encodeClientFrame({ number: 3, messages: [] })]).toEqual(['[3]']);
  expect(decodeClientFrame('[3]')).toEqual({ number: 3, messages: [] });
  expect([...encodeServerFrame({ ack: 3, messages: [] })]).toEqual(['[3]']);
});

test('what does not fit into one text is cut, in order, below the greatest size as bytes; the last part has the number', () => {
  const many = Array.from({ length: 4_000 }, (_, i): ClientMessage => {
    return { type: 'acquire', request: { ...request, amounts: [[`限${i}`.padEnd(100, '限'), 1]] } };
  });
  const frames = [...encodeClientFrame({ number: 5, messages: many })];
  expect(frames.length).toBeGreaterThan(1);
  for (const frame of frames) expect(Buffer.byteLength(frame)).toBeLessThan(MAX_FRAME_BYTES);
  const decoded = frames.map(decodeClientFrame);
  expect(decoded.map(({ number }) => number)).toEqual([...frames.slice(1).map(() => 0), 5]);
  expect(decoded.flatMap(({ messages }) => messages)).toEqual(many);
});

test('all of a server’s cut frames carry the same acknowledgement', () => {
  const many = Array.from(
    { length: 500 },
    (_, i): ServerMessage => ({ type: 'reply', id: i, value: 'x'.repeat(2_000) }),
  );
  const frames = [...encodeServerFrame({ ack: 5, messages: many })].map(decodeServerFrame);
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
    ['[1,["r",1]]', "message 'r'"],
    ['[1,["x",5]]', 'cancel.lease'],
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
    expect(() => decodeClientFrame(frame)).toThrow(
      expect.objectContaining({ name: 'ProtocolError', code: 'INVALID_REQUEST', field }),
    );
  });

  test('of a server too: an unknown error code', () => {
    expect(() => decodeServerFrame('[1,["n","a","NOPE","text",{}]]')).toThrow(ProtocolError);
  });

  test('however deep it is nested', () => {
    expect(() => decodeClientFrame('['.repeat(500_000) + ']'.repeat(500_000))).toThrow(ProtocolError);
  });
});

test('a frame with a part replaced at random decodes to messages or is a ProtocolError, nothing else', () => {
  const frame = JSON.parse([...encodeClientFrame({ number: 1, messages: clientMessages })].join()) as unknown[];
  fc.assert(
    fc.property(fc.nat(frame.length - 1), fc.nat(8), fc.jsonValue(), (row, field, value) => {
      const broken = structuredClone(frame);
      const target = broken[row];
      if (Array.isArray(target)) target[field] = value;
      else broken[row] = value;
      try {
        decodeClientFrame(JSON.stringify(broken));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    }),
  );
});
