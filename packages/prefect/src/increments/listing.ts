/** The limits as the answer to an increment or a decrement lists them. */
import type { Limit } from '@slotkeeper/engine';

export interface ListedLimit {
  readonly id: string;
  readonly name: string;
  readonly slots: number;
  /** False: the limit limits nothing, and no slots of it are taken. */
  readonly active: boolean;
}

export function listing(limits: readonly Limit[]): ListedLimit[] {
  return limits.map(({ id, name, settings: { slots, active } }) => ({ id, name, slots, active }));
}

export function isSameListing(a: readonly ListedLimit[], b: readonly ListedLimit[]): boolean {
  return a.length === b.length && a.every((limit, i) => isSame(limit, b[i]!));
}

function isSame(a: ListedLimit, b: ListedLimit): boolean {
  return a.id === b.id && a.name === b.name && a.slots === b.slots && a.active === b.active;
}
