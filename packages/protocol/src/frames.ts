/**
 * Frames as what a WebSocket carries, for both ends. The ends of a session see frames as objects; a transport encodes and
 * decodes them with the codec that its WebSocket has agreed on as its sub-protocol (codecs.ts).
 *
 * Decoding checks structure: each field is there and of its type. Whether what it says is allowed is up to `requests.ts`,
 * since one bad request is refused while a bad frame ends its connection.
 */
import type { ClientMessage, ServerMessage } from './messages.ts';

/** A longer frame is refused. */
export const MAX_FRAME_BYTES = 1_048_576;

export type EncodedFrame = string | Uint8Array;

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

export interface Codec {
  /** The WebSocket's sub-protocol. */
  readonly name: string;
  /** In as many pieces as it takes for each to stay below `MAX_FRAME_BYTES` (a message that is longer goes alone), the last with its number. */
  encodeClientFrame(frame: ClientFrame): Iterable<EncodedFrame>;
  /**
   * In as many pieces as it takes for each to stay below `MAX_FRAME_BYTES` (a message that is longer goes alone), all with its
   * `ack`. Each is written as it is asked for: all together may be more than a string can hold.
   */
  encodeServerFrame(frame: ServerFrame): Iterable<EncodedFrame>;
  /** Throws `ProtocolError`, also if it is longer than `MAX_FRAME_BYTES`. */
  decodeClientFrame(data: EncodedFrame): ClientFrame;
  /** Throws `ProtocolError`. */
  decodeServerFrame(data: EncodedFrame): ServerFrame;
}
