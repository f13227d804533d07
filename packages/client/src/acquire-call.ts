/** What a call asks for: read from what the caller gave, checked before anything is sent. */
import { type AcquireRequest, priority, type LimitSpec as WireLimitSpec } from '@slotkeeper/protocol';
import { boolean, checkedBy, object, oneOf, partial, shape, shortText, slotsToTake, wordOr } from '@slotkeeper/shape';
import { type Amounts, readAmounts } from './amounts.ts';
import type { LimitSpec } from './limits.ts';
import { leftOut, optionsCheck, signal, timeoutSeconds } from './option-fields.ts';
import { checkNewSpec, wireSpec } from './rate.ts';
import { refuse } from './refuse.ts';
import type { Limits } from './register.ts';

export interface AcquireOptions {
  /** Of each name; 1 if not given. Not with an object of amounts. */
  readonly slots?: number | undefined;
  /** From the call. None: wait for ever; 0: at once or not at all, never queued. */
  readonly timeoutSeconds?: number | undefined;
  /** Gives up the place; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** For people, shown wherever holders are. */
  readonly label?: string | undefined;
  /** For people: what holds it in your world, as `{ type: 'task-run', id: '…' }`. */
  readonly holder?: { readonly type?: string | undefined; readonly id?: string | undefined } | undefined;
  /** A head start in seconds over others who wait, −86,400 to 86,400; 0 if not given. */
  readonly priority?: number | undefined;
  /** A name that is no limit: `'error'` (default), `'allow'` (limits nothing, with a warning), or settings to create it with. */
  readonly onMissing?: OnMissing | undefined;
  /** `'abort'` (default): `lease.signal` aborts if this process may have lost its slots (say, no contact with the server for 14 s): stop what they guard. `'continue'`: only when the server reports that they are gone for good. */
  readonly onLost?: 'abort' | 'continue' | undefined;
  /** @internal What is taken of rates comes back with the lease, as on Prefect's API. */
  readonly refunds?: boolean | undefined;
}

export type TryOptions = Omit<AcquireOptions, 'timeoutSeconds'>;

export type RateOptions = Omit<AcquireOptions, 'onLost'>;

export type OnMissing = 'error' | 'allow' | LimitSpec;

/** What a keeper adds to each acquire. */
export interface AcquireDefaults {
  readonly timeoutSeconds?: number | undefined;
  readonly priority?: number | undefined;
  readonly onMissing?: OnMissing | undefined;
  readonly label?: string | undefined;
  readonly host: string | null;
  readonly pid: number | null;
}

export interface AcquireCall {
  /** Empty: nothing is asked. */
  readonly amounts: Amounts;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly holder: AcquireRequest['holder'];
  readonly onMissing: AcquireRequest['onMissing'];
  readonly onLost: 'abort' | 'continue';
  readonly signal: AbortSignal | undefined;
  /** Only of limits whose slots come back by themselves: nothing will be given back. */
  readonly ratesOnly: boolean;
  /** Whether what it takes of rates comes back with the lease; otherwise it is spent. */
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
  refunds: boolean,
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
