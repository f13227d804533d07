/** Stores the events that clients send. Events that arrive during a write are stored together by the next one. */
import { instant } from '../../api/timestamps.ts';
import { isReportedByServer, type PrefectEvent } from '../event.ts';
import type { EventLog } from '../store/event-log.ts';

interface Batch {
  readonly events: PrefectEvent[];
  readonly kept: Promise<void>;
}

export class ClientEvents {
  readonly #log: EventLog;
  #next: Batch | undefined;
  /** Resolves when the last write has ended, also if it failed: only the promise of `keep` rejects. */
  #current: Promise<void> = Promise.resolve();

  constructor(log: EventLog) {
    this.#log = log;
  }

  /**
   * Drops the events that only the server may report, and resolves when the others are stored. Rejects with an
   * `EventsUnavailableError`.
   */
  keep(events: readonly PrefectEvent[]): Promise<void> {
    const wanted = events.filter((event) => !isReportedByServer(event));
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
