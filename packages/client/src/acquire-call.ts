/** The request of a call: read from the caller's arguments, and checked before anything is sent. */
import { type AcquireRequest, priority, type LimitSpec as WireLimitSpec } from '@slotkeeper/protocol';
import { boolean, checkedBy, object, oneOf, partial, shape, shortText, slotsToTake, wordOr } from '@slotkeeper/shape';
import { type Amounts, readAmounts } from './amounts.ts';
import type { LimitSpec } from './limits.ts';
import { leftOut, optionsCheck, signal, timeoutSeconds } from './option-fields.ts';
import { checkNewSpec, wireSpec } from './rate.ts';
import { refuse } from './refuse.ts';
import type { Limits } from './register.ts';

export interface AcquireOptions {
  /** How many slots of each name. Default: 1. Not allowed with an object of amounts. */
  readonly slots?: number | undefined;
  /** How long to wait, from the call. Left out: for ever. 0: granted at once or refused, never queued. */
  readonly timeoutSeconds?: number | undefined;
  /** Cancels the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** A text for people, shown with the holder or waiter. */
  readonly label?: string | undefined;
  /** For people: who holds the lease in your world, as `{ type: 'task-run', id: '…' }`. */
  readonly holder?: { readonly type?: string | undefined; readonly id?: string | undefined } | undefined;
  /** A head start in seconds over others who wait, −86,400 to 86,400; 0 if not given. */
  readonly priority?: number | undefined;
  /** What to do about a name without a limit: `'error'` (default), `'allow'` (it limits nothing, with a warning), or settings to create the limit. */
  readonly onMissing?: OnMissing | undefined;
  /** `'abort'` (default): `lease.signal` aborts if this process may have lost its slots (say, no contact with the server for 14 s): stop what they guard. `'continue'`: only when the server reports that they are gone for good. */
  readonly onLost?: 'abort' | 'continue' | undefined;
  /** @internal Slots of rates come back with the lease, as on Prefect's API. */
  readonly refunds?: boolean | undefined;
}

export type TryOptions = Omit<AcquireOptions, 'timeoutSeconds'>;

export type RateOptions = Omit<AcquireOptions, 'onLost'>;

export type OnMissing = 'error' | 'allow' | LimitSpec;

/** The values that a keeper adds to each acquire. */
export interface AcquireDefaults {
  readonly timeoutSeconds?: number | undefined;
  readonly priority?: number | undefined;
  readonly onMissing?: OnMissing | undefined;
  readonly label?: string | undefined;
  readonly host: string | null;
  readonly pid: number | null;
}

export interface AcquireCall {
  /** Empty: no server is asked. */
  readonly amounts: Amounts;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly holder: AcquireRequest['holder'];
  readonly onMissing: AcquireRequest['onMissing'];
  readonly onLost: 'abort' | 'continue';
  readonly signal: AbortSignal | undefined;
  /** Refuses limits that are no rates, since no slots will be given back. */
  readonly ratesOnly: boolean;
  /** Whether slots of rates come back with the lease; otherwise they are spent. */
  readonly refunds: boolean;
}

export const onMissing = wordOr(['error', 'allow'], checkedBy<LimitSpec>(checkNewSpec), "a limit's settings");

const fields = {
  slots: slotsToTake,
  timeoutSeconds,
  signal,
  label: shortText,
  holder: object(shape(partial({ type: shortText, id: shortText }))),
  priority,
  onMissing,
  onLost: oneOf('abort', 'continue'),
  // Of our own packages alone: no message names it.
  refunds: { ...boolean, isLocal: true as const },
};
const checkAcquireOptions = optionsCheck<AcquireOptions>(fields);

export const checkTryOptions = optionsCheck({
  ...fields,
  timeoutSeconds: leftOut('a try, which does not wait'),
});

const { refunds: _, ...rateFields } = fields;
export const checkRateOptions = optionsCheck({
  ...rateFields,
  onLost: leftOut('rateLimit, which holds nothing that could be lost'),
});

/** Throws `InvalidRequestError`, which names the field. */
export function readCall(
  limits: Limits,
  options: AcquireOptions,
  defaults: AcquireDefaults,
  ratesOnly = false,
): AcquireCall {
  refuse(checkAcquireOptions(options));
  const { slots, onLost = 'abort', holder = {} } = options;
  const seconds = options.timeoutSeconds ?? defaults.timeoutSeconds;
  const label = options.label ?? defaults.label ?? null;
  const missing = options.onMissing ?? defaults.onMissing ?? 'error';
  return {
    amounts: readAmounts(limits, slots),
    timeoutMs: seconds === undefined ? null : seconds * 1_000,
    priority: options.priority ?? defaults.priority ?? 0,
    holder: { type: holder.type ?? null, id: holder.id ?? null, label, host: defaults.host, pid: defaults.pid },
    onMissing: typeof missing === 'string' ? missing : (wireSpec(missing) as WireLimitSpec & { slots: number }),
    onLost,
    signal: options.signal,
    ratesOnly,
    refunds: options.refunds ?? false,
  };
}
