/** The bytes that a WebSocket client sends, without some of its messages. */
import { Transform, type TransformCallback } from 'node:stream';

/** A message with more bytes or of more frames passes without being looked at. */
const MESSAGE_BYTES_MAX = 1_048_576;
const MESSAGE_FRAMES_MAX = 1_024;
const CONTINUATION = 0;
const TEXT = 1;
const FIRST_CONTROL = 8;
const HEAD_BYTES_MIN = 2;

interface Frame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly mask: Buffer | null;
  readonly headBytes: number;
  readonly payloadBytes: number;
}

/**
 * Leaves out whole text messages; every other byte passes as it came, in order, but that a control frame within a message
 * passes before it. Extensions must not have been agreed on: what is compressed cannot be read.
 */
export class MessageFilter extends Transform {
  readonly #drops: (text: string) => boolean;
  /** What has come of a part that is looked at as a whole. Put together only once there is enough: a client may send byte by byte. */
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #wantedBytes = HEAD_BYTES_MIN;
  /** The chunks, put together, without what has been taken. */
  #bytes: Buffer = Buffer.alloc(0);
  /** The frames so far of a text message that has not come whole, and what it says. */
  #held: { readonly frames: Buffer[]; readonly text: Buffer[]; bytes: number } | null = null;
  /** So much of the frame under way passes without being looked at. */
  #passingBytes = 0;

  constructor(drops: (text: string) => boolean) {
    super();
    this.#drops = drops;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    if (this.#chunkBytes >= this.#wantedBytes) {
      this.#bytes = Buffer.concat(this.#chunks);
      while (this.#wantedBytes <= this.#bytes.length) this.#wantedBytes = this.#takePart();
      this.#chunks = [this.#bytes];
      this.#chunkBytes = this.#bytes.length;
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#letThrough();
    done(null, Buffer.concat(this.#chunks));
  }

  /** @returns how many bytes must be there for the next part */
  #takePart(): number {
    if (this.#passingBytes > 0) {
      this.#passingBytes -= this.#pass(Math.min(this.#passingBytes, this.#bytes.length));
      return this.#passingBytes > 0 ? 1 : HEAD_BYTES_MIN;
    }
    const frame = readHead(this.#bytes);
    if (frame === undefined) return this.#bytes.length + 1;
    const frameBytes = frame.headBytes + frame.payloadBytes;
    if (!this.#looksAt(frame)) {
      this.#passingBytes = frameBytes;
      return 1;
    }
    if (this.#bytes.length < frameBytes) return frameBytes;
    this.#hold(frame, this.#bytes.subarray(0, frameBytes));
    this.#bytes = this.#bytes.subarray(frameBytes);
    return HEAD_BYTES_MIN;
  }

  #looksAt({ opcode, payloadBytes }: Frame): boolean {
    if (opcode >= FIRST_CONTROL) return false;
    if (opcode !== CONTINUATION) this.#letThrough();
    if (opcode === TEXT) this.#held = { frames: [], text: [], bytes: 0 };
    const { bytes = 0, frames = [] } = this.#held ?? {};
    if (bytes + payloadBytes > MESSAGE_BYTES_MAX || frames.length >= MESSAGE_FRAMES_MAX) this.#letThrough();
    return this.#held !== null;
  }

  #hold({ isLast, mask, headBytes }: Frame, bytes: Buffer): void {
    const held = this.#held!;
    held.frames.push(bytes);
    held.text.push(unmasked(bytes.subarray(headBytes), mask));
    held.bytes += bytes.length - headBytes;
    if (!isLast) return;
    if (this.#drops(Buffer.concat(held.text).toString())) this.#held = null;
    else this.#letThrough();
  }

  #letThrough(): void {
    for (const bytes of this.#held?.frames ?? []) this.push(bytes);
    this.#held = null;
  }

  #pass(length: number): number {
    this.push(this.#bytes.subarray(0, length));
    this.#bytes = this.#bytes.subarray(length);
    return length;
  }
}

function readHead(bytes: Buffer): Frame | undefined {
  if (bytes.length < HEAD_BYTES_MIN) return undefined;
  const short = bytes[1]! & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const isMasked = bytes[1]! >= 0x80;
  const headBytes = 2 + lengthBytes + (isMasked ? 4 : 0);
  if (bytes.length < headBytes) return undefined;
  return {
    opcode: bytes[0]! & 0x0f,
    isLast: bytes[0]! >= 0x80,
    mask: isMasked ? bytes.subarray(headBytes - 4, headBytes) : null,
    headBytes,
    payloadBytes:
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2)),
  };
}

function unmasked(payload: Buffer, mask: Buffer | null): Buffer {
  const plain = Buffer.from(payload);
  if (mask) for (let at = 0; at < plain.length; at += 1) plain[at]! ^= mask[at & 3]!;
  return plain;
}
