/** What is asked for in an acquire: read from what the caller gave, checked before anything is sent. */
import {
  type Check,
  checkBoolean,
  checkFields,
  checkPriority,
  checkShortText,
  checkSlots,
  onMissing,
  seen,
  type WireAcquire,
  type LimitSpec as WireLimitSpec,
} from '@slotkeeper/protocol';
import { type Amounts, readAmounts } from './amounts.ts';
import type { LimitSpec } from './limits.ts';
import { checkNewSpec, wireSpec } from './rate.ts';
import { checkOptions, checkSignal, checkTimeoutSeconds, refuse } from './refuse.ts';
import type { Limits } from './register.ts';

export interface AcquireOptions {
  /** Of each name; 1 unless told. Not with an object of amounts. */
  readonly slots?: number | undefined;
  /** From the call. None: wait for ever; 0: at once or not at all, never queued. */
  readonly timeoutSeconds?: number | undefined;
  /** Gives up the place; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** For people, shown wherever holders are. */
  readonly label?: string | undefined;
  /** For people: what holds it in your world, as `{ type: 'task-run', id: '…' }`. */
  readonly holder?: { readonly type?: string | undefined; readonly id?: string | undefined } | undefined;
  /** A head start in seconds over others who wait, −86,400 to 86,400; 0 unless told. */
  readonly priority?: number | undefined;
  /** A name that is no limit: `'error'` (default), `'allow'` (limits nothing, with a warning), or settings to create it with. */
  readonly onMissing?: OnMissing | undefined;
  /** `'abort'` (default): `lease.signal` aborts when the slots can no longer be sure. `'continue'`: only when the server says that they are gone for good. */
  readonly onLost?: 'abort' | 'continue' | undefined;
  /** @internal What is taken of rates comes back with the lease, as on Prefect's API. */
  readonly refunds?: boolean | undefined;
}

export type TryOptions = Omit<AcquireOptions, 'timeoutSeconds'>;

export type RateOptions = Omit<AcquireOptions, 'onLost'>;

export type OnMissing = 'error' | 'allow' | LimitSpec;

/** What a keeper adds to each acquire. */
export interface WishDefaults {
  readonly timeoutSeconds?: number | undefined;
  readonly priority?: number | undefined;
  readonly onMissing?: OnMissing | undefined;
  readonly label?: string | undefined;
  readonly host: string | null;
  readonly pid: number | null;
}

export interface Wish {
  /** Empty: nothing is asked. */
  readonly amounts: Amounts;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly holder: WireAcquire['holder'];
  readonly onMissing: WireAcquire['onMissing'];
  readonly onLost: 'abort' | 'continue';
  readonly signal: AbortSignal | undefined;
  /** Only of limits whose slots come back by themselves: nothing will be given back. */
  readonly ratesOnly: boolean;
  /** Whether what it takes of rates comes back with the lease; otherwise it is spent. */
  readonly refunds: boolean;
}

export const checkOnMissing = onMissing(checkNewSpec);

const checkOnLost: Check = (onLost, field) =>
  onLost === 'abort' || onLost === 'continue'
    ? undefined
    : { field, reason: `must be 'abort' or 'continue', but was ${seen(onLost)}` };

const checks = {
  slots: checkSlots,
  timeoutSeconds: checkTimeoutSeconds,
  signal: checkSignal,
  label: checkShortText,
  holder: checkFields({ type: checkShortText, id: checkShortText }, 'optional'),
  priority: checkPriority,
  onMissing: checkOnMissing,
  onLost: checkOnLost,
  refunds: checkBoolean,
};
const checkAcquireOptions = checkOptions(checks);

export const checkTryOptions = checkOptions({
  ...checks,
  timeoutSeconds: (_, field) => ({ field, reason: 'must be left out of a try, which does not wait' }),
});

const { refunds: _, ...rateChecks } = checks;
export const checkRateOptions = checkOptions({
  ...rateChecks,
  onLost: (_, field) => ({ field, reason: 'must be left out of rateLimit, which holds nothing that could be lost' }),
});

/** Throws `InvalidRequestError`, which names the field. */
export function readWish(limits: Limits, options: AcquireOptions, defaults: WishDefaults, ratesOnly = false): Wish {
  refuse(checkAcquireOptions(options));
  const { slots, signal, onLost = 'abort', holder = {} } = options;
  const seconds = options.timeoutSeconds ?? defaults.timeoutSeconds;
  const label = options.label ?? defaults.label ?? null;
  const onMissing = options.onMissing ?? defaults.onMissing ?? 'error';
  return {
    amounts: readAmounts(limits, slots),
    timeoutMs: seconds === undefined ? null : seconds * 1_000,
    priority: options.priority ?? defaults.priority ?? 0,
    holder: { type: holder.type ?? null, id: holder.id ?? null, label, host: defaults.host, pid: defaults.pid },
    onMissing: typeof onMissing === 'string' ? onMissing : (wireSpec(onMissing) as WireLimitSpec & { slots: number }),
    onLost,
    signal,
    ratesOnly,
    refunds: options.refunds ?? false,
  };
}
