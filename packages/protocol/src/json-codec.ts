/** Frames as text: a JSON array of a number and messages, each message its row (arrays are a fifth faster than objects). */
import { type Shape, seen } from '@slotkeeper/shape';
import { type Codec, type EncodedFrame, MAX_FRAME_BYTES } from './frames.ts';
import type { ClientMessage, ServerMessage } from './messages.ts';
import { inMessage, ProtocolError } from './problem.ts';
import { clientRows, type Rows, serverRows } from './rows.ts';

/** Frames are cut at about this length. A UTF-16 unit is at most three bytes as UTF-8, so a piece is short enough. */
const CUT_LENGTH = Math.floor(MAX_FRAME_BYTES / 3) - 20;

interface Message {
  readonly type: string;
}

/** The tables of one end's messages, by type and by the word that begins a row. */
class Dialect<M extends Message> {
  readonly #byType: ReadonlyMap<string, Shape<M>>;
  readonly #byWord: ReadonlyMap<unknown, { readonly type: string; readonly table: Shape<M> }>;

  constructor(tables: Rows<M>) {
    const entries = Object.entries(tables) as [M['type'], Shape<M>][];
    this.#byType = new Map(entries);
    this.#byWord = new Map(entries.map(([type, table]) => [table.fields.type.write?.(type), { type, table }]));
  }

  *encode(messages: readonly M[], head: number, lastHead: number): Iterable<string> {
    let rows = '';
    for (const message of messages) {
      const row = JSON.stringify(this.#byType.get(message.type)!.toRow(message));
      if (rows !== '' && rows.length + row.length > CUT_LENGTH) {
        yield `[${head}${rows}]`;
        rows = '';
      }
      rows += `,${row}`;
    }
    yield `[${lastHead}${rows}]`;
  }

  /** Decodes the messages of a frame, which follow its number. */
  decode(frame: readonly unknown[]): M[] {
    const messages: M[] = [];
    for (let i = 1; i < frame.length; i += 1) messages.push(this.#read(frame[i]));
    return messages;
  }

  #read(row: unknown): M {
    const fields = list(row, 'message');
    const kind = this.#byWord.get(fields[0]);
    if (!kind) throw new ProtocolError('message kind', `is unknown: ${seen(fields[0])}`);
    try {
      return kind.table.fromRow(fields);
    } catch (error) {
      throw inMessage(kind.type, error);
    }
  }
}

const fromClient = new Dialect<ClientMessage>(clientRows);
const fromServer = new Dialect<ServerMessage>(serverRows);

export const jsonCodec: Codec = {
  name: 'slotkeeper.json',
  encodeClientFrame: ({ number, messages }) => fromClient.encode(messages, 0, number),
  encodeServerFrame: ({ ack, messages }) => fromServer.encode(messages, ack, ack),

  decodeClientFrame(data) {
    const text = asText(data);
    // Counts bytes only if the text may be too long: each unit is at most three bytes.
    if (text.length > CUT_LENGTH && Buffer.byteLength(text) > MAX_FRAME_BYTES)
      throw new ProtocolError(
        'frame',
        `must be ${MAX_FRAME_BYTES} bytes at the most, but has ${Buffer.byteLength(text)}`,
      );
    const frame = parse(text);
    return { number: numberOf(frame, 'frame number'), messages: fromClient.decode(frame) };
  },

  decodeServerFrame(data) {
    const frame = parse(asText(data));
    return { ack: numberOf(frame, 'frame ack'), messages: fromServer.decode(frame) };
  },
};

function asText(data: EncodedFrame): string {
  if (typeof data === 'string') return data;
  throw new ProtocolError('frame', `must be text, but was ${data.length} bytes`);
}

function parse(frame: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new ProtocolError('frame', `must be JSON, but was ${seen(frame)}`);
  }
  return list(value, 'frame');
}

function list(value: unknown, field: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new ProtocolError(field, `must be a list, but was ${seen(value)}`);
}

function numberOf([number]: readonly unknown[], field: string): number {
  if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
  throw new ProtocolError(field, `must be a whole number, 0 or more, but was ${seen(number)}`);
}
