import type { EncodedFrame } from './frames.ts';
import { ProtocolError } from './problem.ts';

/** One end of a two-way channel of frames: a WebSocket, a pair in memory, or a simulated network. `Sent`: what this end sends. */
export interface Channel<Sent> {
  /** Sends a frame. Frames arrive whole and in order, or not at all. After `closed` nothing is sent. */
  send(frame: Sent): void;
  /** Closes the channel. `closed` is called once at this end, and at the other end if it can be reached. */
  close(): void;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

export interface ChannelEvents<Received> {
  frame(frame: Received): void;
  /** The data received is no frame. */
  garbled(problem: ProtocolError): void;
  closed(reason: string): void;
}

/** Decodes `data`, and hands `events` the frame or what is wrong with it. */
export function receive<Received>(
  data: EncodedFrame,
  decode: (data: EncodedFrame) => Received,
  events: ChannelEvents<Received>,
): void {
  let frame: Received;
  try {
    frame = decode(data);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    events.garbled(error);
    return;
  }
  events.frame(frame);
}
