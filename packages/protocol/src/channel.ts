import type { EncodedFrame } from './frames.ts';
import { ProtocolError } from './problem.ts';

/** One end of a two-way channel of frames: of a WebSocket, of a pair in memory, of a simulated network. `Sent`: what this end sends. */
export interface Channel<Sent> {
  /** Frames arrive whole and in order, or not at all. After `closed` nothing is sent. */
  send(frame: Sent): void;
  /** Ends it from this end; the other end is notified if it can be. `closed` is called here, too, once. */
  close(): void;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

export interface ChannelEvents<Received> {
  frame(frame: Received): void;
  /** What came is no frame. */
  garbled(problem: ProtocolError): void;
  closed(reason: string): void;
}

/** Hands `events` the frame that `data` is, or what is wrong with it. */
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
