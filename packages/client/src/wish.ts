/** What is asked for in an acquire: read from what the caller gave, checked before anything is sent. */
import {
  checkLabel,
  checkOnMissing,
  checkPriority,
  checkTimeout,
  type Problem,
  type WireAcquire,
  type LimitSpec as WireLimitSpec,
} from '@slotkeeper/protocol';
import { type Amounts, readAmounts } from './amounts.ts';
import type { LimitSpec } from './limits.ts';
import { refuse, refuseUnknown } from './refuse.ts';
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
}

export type TryOptions = Omit<AcquireOptions, 'timeoutSeconds'>;

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
}

const OPTIONS = ['slots', 'timeoutSeconds', 'signal', 'label', 'holder', 'priority', 'onMissing', 'onLost'];

/** Throws `InvalidRequestError`, which names the field. */
export function readWish(limits: Limits, options: AcquireOptions, defaults: WishDefaults): Wish {
  refuseUnknown(options, OPTIONS, 'options');
  const { signal, onLost = 'abort', holder = {} } = options;
  refuseUnknown(holder, ['type', 'id'], 'holder');
  const seconds = options.timeoutSeconds ?? defaults.timeoutSeconds;
  const label = options.label ?? defaults.label ?? null;
  const priority = options.priority ?? defaults.priority ?? 0;
  const onMissing = options.onMissing ?? defaults.onMissing ?? 'error';
  const wish: Wish = {
    amounts: readAmounts(limits, options.slots),
    timeoutMs: readTimeout(seconds),
    priority,
    holder: { type: holder.type ?? null, id: holder.id ?? null, label, host: defaults.host, pid: defaults.pid },
    onMissing: onMissing as 'error' | 'allow' | (WireLimitSpec & { slots: number }),
    onLost,
    signal,
  };
  refuse(
    checkPriority(priority, 'priority') ??
      checkLabel(label, 'label') ??
      checkLabel(wish.holder.type, 'holder.type') ??
      checkLabel(wish.holder.id, 'holder.id') ??
      checkOnMissing(onMissing, 'onMissing') ??
      checkOnLost(onLost) ??
      checkSignal(signal),
  );
  return wish;
}

function readTimeout(seconds: unknown): number | null {
  if (seconds === undefined) return null;
  const problem = checkTimeout(typeof seconds === 'number' ? seconds * 1_000 : Number.NaN, 'timeoutSeconds');
  if (problem)
    refuse({
      field: 'timeoutSeconds',
      reason: `must be a number from 0 to 2147483647 (left out: wait for ever), but was ${String(seconds)}`,
    });
  return (seconds as number) * 1_000;
}

function checkOnLost(onLost: unknown): Problem | undefined {
  if (onLost === 'abort' || onLost === 'continue') return undefined;
  return { field: 'onLost', reason: `must be 'abort' or 'continue', but was ${String(onLost)}` };
}

function checkSignal(signal: unknown): Problem | undefined {
  if (signal === undefined || (typeof signal === 'object' && signal !== null && 'aborted' in signal)) return undefined;
  return { field: 'signal', reason: `must be an AbortSignal, but was ${String(signal)}` };
}
