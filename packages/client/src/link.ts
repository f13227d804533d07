/** One connection: a channel, the numbers of the frames that were sent on it, and which of them are acknowledged. */
import { type Channel, type ChannelEvents, type ClientMessage, type Clock, clientFrames } from '@slotkeeper/protocol';
import type { HeldLease } from './lease.ts';

interface SentFrame {
  readonly number: number;
  readonly sentAtMs: number;
  /** Leases that are over once it is acknowledged. */
  readonly releases: readonly HeldLease[];
}

export class Link {
  readonly #clock: Clock;
  readonly #channel: Channel;
  /** Sent and not acknowledged, in order. */
  readonly #unacknowledged: SentFrame[] = [];
  #nextNumber = 1;
  #isOpen = true;
  #lastSentAtMs = 0;

  constructor(clock: Clock, dial: (events: ChannelEvents) => Channel, hear: ChannelEvents) {
    this.#clock = clock;
    this.#channel = dial({
      frame: (text) => {
        if (this.#isOpen) hear.frame(text);
      },
      closed: (reason) => {
        if (this.#isOpen) hear.closed(reason);
      },
    });
  }

  get lastSentAtMs(): number {
    return this.#lastSentAtMs;
  }

  /** When the first frame was sent that is not acknowledged; undefined: all are. */
  get waitsSinceMs(): number | undefined {
    return this.#unacknowledged[0]?.sentAtMs;
  }

  send(messages: readonly ClientMessage[], releases: readonly HeldLease[] = []): void {
    const sentAtMs = this.#clock.monotonicMs();
    const frames = clientFrames(this.#nextNumber, messages);
    frames.forEach((frame, i) => {
      const number = this.#nextNumber + i;
      this.#unacknowledged.push({ number, sentAtMs, releases: i === frames.length - 1 ? releases : [] });
      this.#channel.send(frame);
    });
    this.#nextNumber += frames.length;
    this.#lastSentAtMs = sentAtMs;
  }

  /** Frames up to `ack`, that no earlier call has returned, in order. */
  acknowledged(ack: number): readonly SentFrame[] {
    let count = 0;
    while (count < this.#unacknowledged.length && this.#unacknowledged[count]!.number <= ack) count += 1;
    return this.#unacknowledged.splice(0, count);
  }

  /** Nothing is heard from it any more. */
  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }
}
