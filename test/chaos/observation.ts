/**
 * What a client of the chaos tests saw, as it saw it: one line each in a log of its own, written before it goes on, so
 * that a kill loses none. All processes of the machine share one clock.
 */
import { writeSync } from 'node:fs';

/** Slots by the name of their limit. */
export type Amounts = Readonly<Record<string, number>>;

/** `call` names one acquire of the client, up to the end of what it was granted. */
export type Observation = { readonly atMs: number } & (
  | { readonly type: 'asked'; readonly call: string; readonly amounts: Amounts }
  | {
      readonly type: 'granted';
      readonly call: string;
      readonly lease: string;
      readonly token: number;
      readonly amounts: Amounts;
    }
  /** It was the caller who gave up waiting. */
  | { readonly type: 'given-up'; readonly call: string }
  | { readonly type: 'failed'; readonly call: string; readonly reason: string }
  /** From here on it does not count on its slots. */
  | { readonly type: 'releasing'; readonly call: string }
  /** `acknowledged` by the server; otherwise only as long past as the lease could have lasted. */
  | { readonly type: 'released'; readonly call: string; readonly acknowledged: boolean }
  /** Its signal was aborted: from here on it does not count on its slots. */
  | { readonly type: 'lost'; readonly call: string; readonly reason: string }
  /** It could not run since then (stopped, or the machine was busy elsewhere), and now it can. */
  | { readonly type: 'stalled'; readonly sinceMs: number }
  /** Written by who killed it, just before. */
  | { readonly type: 'killed' }
);

/** An observation without its time. */
export type Remark = Observation extends infer O ? (O extends Observation ? Omit<O, 'atMs'> : never) : never;

/** Since the machine was started: the same in all of its processes. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A pause that is shorter is none to speak of. */
const STALL_MS = 500;

export class ObservationLog {
  readonly #file: number;
  #lastRanMs = nowMs();

  /** A descriptor that is open for writing. */
  constructor(file: number) {
    this.#file = file;
    setInterval(() => this.#run(), STALL_MS / 10).unref();
  }

  write(remark: Remark): void {
    const atMs = this.#run();
    this.#append({ ...remark, atMs });
  }

  /** Says first that it could not run, if so: what comes next is done by one who has just woken up. */
  #run(): number {
    const atMs = nowMs();
    const sinceMs = this.#lastRanMs;
    if (atMs - sinceMs >= STALL_MS) this.#append({ type: 'stalled', sinceMs, atMs });
    this.#lastRanMs = atMs;
    return atMs;
  }

  #append(observation: Observation): void {
    writeSync(this.#file, `${JSON.stringify(observation)}\n`);
  }
}
