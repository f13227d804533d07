/** One connection: a channel, and which of the frames that were sent on it are acknowledged. */
import type { Channel, ChannelEvents, ClientFrame, ClientMessage, Clock, ServerFrame } from '@slotkeeper/protocol';
import type { HeldLease } from './lease.ts';

interface SentFrame {
  readonly number: number;
  readonly sentAtMs: number;
  /** Leases that are over once the frame is acknowledged. */
  readonly releases: readonly HeldLease[];
}

export class Link {
  readonly #clock: Clock;
  readonly #channel: Channel<ClientFrame>;
  /** Frames that were sent and are not acknowledged, in order. */
  readonly #unacknowledged: SentFrame[] = [];
  #nextNumber = 1;
  #isOpen = true;
  #lastSentAtMs = 0;

  constructor(
    clock: Clock,
    dial: (events: ChannelEvents<ServerFrame>) => Channel<ClientFrame>,
    events: ChannelEvents<ServerFrame>,
  ) {
    this.#clock = clock;
    this.#channel = dial({
      frame: (frame) => {
        if (this.#isOpen) events.frame(frame);
      },
      garbled: (problem) => {
        if (this.#isOpen) events.garbled(problem);
      },
      closed: (reason) => {
        if (this.#isOpen) events.closed(reason);
      },
    });
  }

  get lastSentAtMs(): number {
    return this.#lastSentAtMs;
  }

  /** When the first unacknowledged frame was sent; undefined: all are acknowledged. */
  get waitsSinceMs(): number | undefined {
    return this.#unacknowledged[0]?.sentAtMs;
  }

  send(messages: readonly ClientMessage[], releases: readonly HeldLease[] = []): void {
    const sentAtMs = this.#clock.monotonicMs();
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    this.#lastSentAtMs = sentAtMs;
    this.#unacknowledged.push({ number, sentAtMs, releases });
    this.#channel.send({ number, messages });
  }

  /** Takes the next frame that `ack` acknowledges; undefined: there is none left. */
  nextAcknowledged(ack: number): SentFrame | undefined {
    const first = this.#unacknowledged[0];
    return first && first.number <= ack ? this.#unacknowledged.shift() : undefined;
  }

  /** Closes the connection. No event comes from it any more. */
  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }
}
