import { ProtocolError } from './problem.ts';

/** One end of a two-way channel of frames: of a WebSocket, of a pair in memory, of a simulated network. `Sent`: what this end sends. */
export interface Channel<Sent> {
  /** Frames arrive whole and in order, or not at all. After `closed` nothing is sent. */
  send(frame: Sent): void;
  /** Ends it from this end; the other end is told if it can be. `closed` is called here, too, once. */
  close(): void;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

export interface ChannelEvents<Heard> {
  frame(frame: Heard): void;
  /** What came is no frame. */
  garbled(problem: ProtocolError): void;
  closed(reason: string): void;
}

/** Tells `events` the frame of a text that came, or what is wrong with it. */
export function hearText<Heard>(text: string, decode: (text: string) => Heard, events: ChannelEvents<Heard>): void {
  let frame: Heard;
  try {
    frame = decode(text);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    events.garbled(error);
    return;
  }
  events.frame(frame);
}
