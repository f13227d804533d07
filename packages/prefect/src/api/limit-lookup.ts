/** Finding limits. */
import type { Limit, State } from '@slotkeeper/engine';

export function limitById(state: State, id: string): Limit | undefined {
  for (const limit of state.limits.values()) if (limit.id === id) return limit;
  return undefined;
}

/** Those that there are, in the order of the names. */
export function limitsNamed(state: State, names: readonly string[]): Limit[] {
  return names.map((name) => state.limits.get(name)).filter((limit) => limit !== undefined);
}

export function byName<T extends { readonly name: string }>(limits: Iterable<T>): T[] {
  return [...limits].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function activeOf(limits: readonly Limit[]): Limit[] {
  return limits.filter(({ settings }) => settings.active);
}
