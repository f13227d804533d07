/** Finding limits. */
import type { Limit, State } from '@slotkeeper/engine';

/** A page of the limits whose names begin with `prefix`, in the order of their names. */
export function limitPage({ limits }: State, prefix: string, offset: number, max: number): Limit[] {
  const page: Limit[] = [];
  for (const limit of limits.namedAt(prefix, offset)) {
    if (page.length >= max) break;
    page.push(limit);
  }
  return page;
}

/** The limits with these names, in the order of `names`. A name without a limit is left out. */
export function limitsNamed(state: State, names: readonly string[]): Limit[] {
  return names.map((name) => state.limits.get(name)).filter((limit) => limit !== undefined);
}

export function namesOf(...limits: readonly (Limit | undefined)[]): string[] {
  return limits.flatMap((limit) => limit?.name ?? []);
}

export function byName<T extends { readonly name: string }>(limits: Iterable<T>): T[] {
  return [...limits].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function activeOf(limits: readonly Limit[]): Limit[] {
  return limits.filter(({ settings }) => settings.active);
}
