/** Events of clients on their way to be kept. What comes while some are being kept is kept together next. */
import { instant } from '../../api/timestamps.ts';
import { isToldByServer, type PrefectEvent } from '../event.ts';
import type { EventLog } from '../store/event-log.ts';

interface Batch {
  readonly events: PrefectEvent[];
  readonly kept: Promise<void>;
}

export class ClientEvents {
  readonly #log: EventLog;
  #next: Batch | undefined;
  /** Fulfilled once nothing is being kept, whether that succeeded or failed: `keep` tells the sender. */
  #current: Promise<void> = Promise.resolve();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * Resolves when they are kept, but for those that only the server tells of, which are dropped. Rejects with an
   * `EventsUnavailableError`.
   */
  keep(events: readonly PrefectEvent[]): Promise<void> {
    const wanted = events.filter((event) => !isToldByServer(event));
    if (wanted.length === 0) return this.#next?.kept ?? this.#current;
    this.#next ??= this.#begin();
    for (const event of wanted) this.#next.events.push(event);
    return this.#next.kept;
  }

  #begin(): Batch {
    const events: PrefectEvent[] = [];
    const kept = this.#current.then(async () => {
      this.#next = undefined;
      const nowMs = Date.now();
      await this.#log.call('add', events, instant(nowMs), nowMs);
    });
    this.#current = kept.catch(() => {});
    return { events, kept };
  }
}
