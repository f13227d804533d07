/** What a worker of the demo and the demo say to each other, over the channel between the two processes. */

export type Report =
  | { readonly type: 'waits' | 'holds' | 'rests'; readonly atMs: number }
  /** It holds, and will until it is killed. */
  | { readonly type: 'hangs' }
  | { readonly type: 'failed'; readonly atMs: number; readonly message: string };

export type Order =
  /** Hold the next slot, or the present one, without end. */
  | 'hang'
  /** End after this round. */
  | 'finish';

/** Milliseconds of the machine's clock that never jumps: the same in all its processes. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
