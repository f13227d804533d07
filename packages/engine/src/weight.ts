/** How many bytes of memory a lease or a waiter takes, estimated from what its client chose: names and texts. */
import type { Amounts, Holder } from './facts.ts';

/** What most take, and the least that is counted. */
export const LIGHT_BYTES = 1_024;
/** For each amount: its list, its place in the limit's order. */
const AMOUNT_BYTES = 200;
/** A string of characters beyond Latin-1 has two for each. */
const CHAR_BYTES = 2;

export function weightOf(amounts: Amounts, { type, id, label, host }: Holder): number {
  let chars = (type?.length ?? 0) + (id?.length ?? 0) + (label?.length ?? 0) + (host?.length ?? 0);
  for (const [name] of amounts) chars += name.length;
  return Math.max(LIGHT_BYTES, LIGHT_BYTES / 2 + AMOUNT_BYTES * amounts.length + CHAR_BYTES * chars);
}
