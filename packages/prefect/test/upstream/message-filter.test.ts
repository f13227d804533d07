import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageFilter } from '../../src/upstream/message-filter.ts';

const TEXT = 1;
const BINARY = 2;
const PING = 9;

function frame(opcode: number, payload: Buffer, isLast: boolean, mask: Buffer | null): Buffer {
  const length = payload.length;
  const masked = mask ? 0x80 : 0;
  const size =
    length < 126
      ? [masked | length]
      : length < 65_536
        ? [masked | 126, length >> 8, length & 0xff]
        : [masked | 127, 0, 0, 0, 0, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
  const body = mask ? payload.map((byte, at) => byte ^ mask[at % 4]!) : payload;
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, ...size]), mask ?? Buffer.alloc(0), body]);
}

async function filtered(chunks: readonly Buffer[]): Promise<Buffer> {
  const filter = new MessageFilter((text) => text.startsWith('drop'));
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  return await buffer(filter);
}

const mask = fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes)));
const ping = fc.uint8Array({ maxLength: 125 }).map((bytes) => Buffer.from(bytes));
const part = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.constantFrom(126, 65_535, 65_536).map((length) => 'x'.repeat(length)) },
);
const message = fc.record({
  opcode: fc.constantFrom(TEXT, BINARY),
  isOurs: fc.boolean(),
  parts: fc.array(fc.record({ text: part, mask, pingBefore: fc.option(ping) }), { minLength: 1, maxLength: 4 }),
});

test('however its bytes are cut, a message is left out whole or passes as it came', async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 6 }), cuts, async (messages, cuts) => {
      const sent: Buffer[] = [];
      const expected: Buffer[] = [];
      for (const { opcode, isOurs, parts } of messages) {
        const held: Buffer[] = [];
        parts.forEach(({ text, mask, pingBefore }, at) => {
          const payload = Buffer.from(at === 0 && isOurs ? `drop${text}` : at === 0 ? `keep${text}` : text);
          const bytes = frame(at === 0 ? opcode : 0, payload, at === parts.length - 1, mask);
          const between = pingBefore ? frame(PING, pingBefore, true, mask) : Buffer.alloc(0);
          sent.push(between, bytes);
          // Only a text that may be ours waits for its end.
          if (opcode === TEXT) expected.push(between);
          held.push(...(opcode === TEXT ? [bytes] : [between, bytes]));
        });
        if (opcode === BINARY || !isOurs) expected.push(...held);
      }
      const bytes = Buffer.concat(sent);
      const chunks: Buffer[] = [];
      for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
        const end = at + cuts[cut % cuts.length]!;
        chunks.push(bytes.subarray(at, end));
        at = end;
      }
      expect((await filtered(chunks)).equals(Buffer.concat(expected))).toBe(true);
    }),
  );
});

test('a message that is longer than any event passes, in one frame or in many', async () => {
  const long = Buffer.from(`drop${'x'.repeat(1_100_000)}`);
  const half = long.length / 2;
  const many = [frame(TEXT, long.subarray(0, half), false, null), frame(0, long.subarray(half), true, null)];
  const next = frame(TEXT, Buffer.from('drop'), true, null);
  expect((await filtered([frame(TEXT, long, true, null), next])).length).toBeGreaterThan(long.length);
  expect((await filtered([...many, next])).equals(Buffer.concat(many))).toBe(true);
});

test('a long message is not kept until its end', async () => {
  const filter = new MessageFilter(() => true);
  const passed: Buffer[] = [];
  filter.on('data', (chunk) => passed.push(chunk));
  const bytes = frame(TEXT, Buffer.alloc(5_000_000), true, null);
  filter.write(bytes.subarray(0, 100_000));
  expect(Buffer.concat(passed)).toHaveLength(100_000);
});

test('what is no frame of the protocol passes', async () => {
  const text = frame(TEXT, Buffer.from('begun, not ended'), false, null);
  const odd = [text, frame(TEXT, Buffer.from('keep'), true, null), frame(0, Buffer.from('x'), true, null), text];
  expect((await filtered([...odd, Buffer.from([0x81])])).equals(Buffer.concat([...odd, Buffer.from([0x81])]))).toBe(
    true,
  );
});

test('a message of more frames than anybody sends passes as it comes, and is not kept', () => {
  const filter = new MessageFilter(() => true);
  filter.write(frame(TEXT, Buffer.from('drop'), false, null));
  const empty = frame(0, Buffer.alloc(0), false, null);
  for (let i = 0; i < 2_000; i += 1) filter.write(empty);
  expect(filter.readableLength).toBeGreaterThan(1_000 * empty.length);
});
