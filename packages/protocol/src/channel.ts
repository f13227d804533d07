/** A two-way channel of frames as text: a WebSocket, a pair in memory, or a simulated network. */
export interface Channel {
  /** Frames arrive whole and in order, or not at all. After `closed` nothing is sent. */
  send(frame: string): void;
  /** Ends it from this end; the other end is told if it can be. `closed` is called here, too, once. */
  close(): void;
  /** Bytes accepted by `send` that have not left yet. */
  readonly bufferedBytes: number;
}

export interface ChannelEvents {
  frame(text: string): void;
  closed(reason: string): void;
}
