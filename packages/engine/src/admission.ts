/** What an acquire comes to among the limits there are, before anyone asks whether there is room. Changes nothing. */
import type { AcquireRequest } from './commands.ts';
import type { Amounts } from './facts.ts';
import { draining, notFound, notRates, type Refusal, tooLarge } from './refusals.ts';
import type { State } from './state.ts';

export interface Admission {
  /** Why it can never be granted as things are; undefined: it may stand in the line. */
  readonly refusal: Refusal | undefined;
  /** The request less what limits nothing. */
  readonly amounts: Amounts;
  /** Names that no limit has: to be created, or left out of `amounts`. */
  readonly missing: readonly string[];
}

export function admit(state: State, request: AcquireRequest): Admission {
  const { amounts: asked, onMissing, skipInactive, ratesOnly } = request;
  const created = typeof onMissing === 'object' ? onMissing : undefined;
  let amounts = asked;
  const missing: string[] = [];
  const semaphores: string[] = [];
  let refusal: Refusal | undefined;
  for (const [name, slots] of asked) {
    const existing = state.limits.get(name)?.settings;
    const settings = existing ?? created;
    if (!existing) missing.push(name);
    const isActive = settings?.active ?? true;
    if (!settings || (!isActive && skipInactive)) {
      amounts = amounts.filter(([other]) => other !== name);
      continue;
    }
    if (isActive && slots > settings.slots) refusal ??= tooLarge(name, slots, settings.slots);
    if (ratesOnly && (settings.slotDecayPerSecond ?? null) === null) semaphores.push(name);
    if (settings.mode === 'draining') refusal ??= draining(name);
  }
  if (semaphores.length > 0) refusal = notRates(semaphores);
  // Every missing name is told at once, and before what is wrong with the others.
  if (onMissing === 'error' && missing.length > 0) refusal = notFound(missing);
  return { refusal, amounts, missing };
}
