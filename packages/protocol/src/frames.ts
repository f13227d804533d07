/**
 * Frames, for both ends of a session. The ends see frames as objects. A transport encodes and decodes them with the codec that
 * its WebSocket has agreed on as its sub-protocol (codecs.ts).
 *
 * Decoding checks structure: each field is there and of its type. `requests.ts` checks whether the values are allowed: one bad
 * request is refused, while a bad frame ends its connection.
 */
import type { ClientMessage, ServerMessage } from './messages.ts';

/** A longer frame is refused. */
export const MAX_FRAME_BYTES = 1_048_576;

export type EncodedFrame = string | Uint8Array;

export interface ClientFrame {
  /** 0: this is a part of the next frame that has a number. */
  readonly number: number;
  readonly messages: readonly ClientMessage[];
}

export interface ServerFrame {
  /** The number of the last client frame that was carried out and made durable. */
  readonly ack: number;
  readonly messages: readonly ServerMessage[];
}

export interface Codec {
  /** The WebSocket's sub-protocol. */
  readonly name: string;
  /**
   * Encodes a frame in pieces below `MAX_FRAME_BYTES`; a message that is longer is a piece of its own. The last piece has the
   * frame's number.
   */
  encodeClientFrame(frame: ClientFrame): Iterable<EncodedFrame>;
  /**
   * Encodes a frame in pieces below `MAX_FRAME_BYTES`; a message that is longer is a piece of its own. Each piece has the
   * frame's `ack`, and is made when the caller asks for it: together they may be longer than a string can be.
   */
  encodeServerFrame(frame: ServerFrame): Iterable<EncodedFrame>;
  /** Throws `ProtocolError`, also for a frame longer than `MAX_FRAME_BYTES`. */
  decodeClientFrame(data: EncodedFrame): ClientFrame;
  /** Throws `ProtocolError`. */
  decodeServerFrame(data: EncodedFrame): ServerFrame;
}
