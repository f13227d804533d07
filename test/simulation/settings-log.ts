/** How each limit was set at which time, to check that the reason of a refusal was true. */

interface Settings {
  readonly slots: number;
  readonly slotDecayPerSecond?: number | null;
  readonly active?: boolean;
  readonly mode?: string;
  readonly maxWaiters?: number | null;
}

interface Request {
  readonly calledAtMs: number;
  readonly amounts: readonly (readonly [name: string, slots: number])[];
  readonly timeoutMs: number | null;
}

export class SettingsLog {
  readonly #byName = new Map<string, { readonly atMs: number; readonly settings: Settings | null }[]>();

  /** Null: it is no more. */
  changed(atMs: number, name: string, settings: Settings | null): void {
    const log = this.#byName.get(name) ?? [];
    this.#byName.set(name, log);
    log.push({ atMs, settings });
  }

  /** Whether it had these settings, or was no more with null, at `sinceMs` or at some time since. */
  wasSo(name: string, expected: Readonly<Record<string, unknown>> | null, sinceMs: number): boolean {
    return this.#since(name, sinceMs).some((settings) => {
      if (expected === null || settings === null) return expected === settings;
      return Object.entries(expected).every(
        ([field, value]) => (settings as unknown as Readonly<Record<string, unknown>>)[field] === value,
      );
    });
  }

  /** Why a request cannot have been refused with this code. */
  whyNot({ amounts, calledAtMs, timeoutMs }: Request, code: string): string | undefined {
    const wasSome = (isReason: (settings: Settings | null, slots: number) => boolean): boolean =>
      amounts.some(([name, slots]) => this.#since(name, calledAtMs).some((settings) => isReason(settings, slots)));
    switch (code) {
      case 'LIMIT_NOT_FOUND':
        return wasSome((settings) => settings === null) ? undefined : 'all its limits were there';
      case 'REQUEST_TOO_LARGE':
        return wasSome((settings, slots) => settings !== null && slots > settings.slots)
          ? undefined
          : 'it was not too large';
      case 'INVALID_REQUEST':
        return wasSome((settings) => (settings?.slotDecayPerSecond ?? null) === null)
          ? undefined
          : 'all its limits were rates';
      case 'QUEUE_FULL':
        return wasSome((settings) => settings !== null && typeof settings.maxWaiters === 'number')
          ? undefined
          : 'there was no bound';
      case 'CONFLICT':
        return wasSome((settings) => settings?.mode === 'draining') ? undefined : 'nothing was draining';
      case 'ACQUIRE_TIMEOUT':
        return timeoutMs === null ? 'it had no timeout' : undefined;
      case 'SERVER_UNREACHABLE':
      case 'ABORTED':
        return undefined;
      default:
        return 'that is no reason';
    }
  }

  /** As it was at `atMs` and each time since. */
  #since(name: string, atMs: number): (Settings | null)[] {
    const log = this.#byName.get(name) ?? [];
    const from = log.findLastIndex((entry) => entry.atMs < atMs);
    const before = from === -1 ? [null] : [];
    return [...before, ...log.slice(Math.max(0, from)).map(({ settings }) => settings)];
  }
}
