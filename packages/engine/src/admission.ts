/** Admission: checks an acquire against the limits there are, before the wait queue is asked whether there is room. */
import type { AcquireRequest, NewLimit, OnMissing } from './commands.ts';
import type { Amounts } from './facts.ts';
import { BrokenInvariant } from './invariant.ts';
import { lookOf } from './look-alike.ts';
import { draining, looksTheSame, notFound, notRates, type Refusal, tooLarge } from './refusals.ts';
import type { State } from './state.ts';
import { isRate } from './usage.ts';

export interface Admission {
  /** Why the acquire can never be granted as the limits are; undefined: it may wait. */
  readonly refusal: Refusal | undefined;
  /** The request less what limits nothing. */
  readonly amounts: Amounts;
  /** Names that no limit has: to be created, or left out of `amounts`. */
  readonly missing: readonly string[];
}

export function admit(state: State, request: AcquireRequest): Admission {
  const { amounts: asked, onMissing, skipInactive } = request;
  let amounts = asked;
  const missing: string[] = [];
  for (const [name] of asked) {
    const existing = state.limits.get(name)?.settings;
    if (!existing) missing.push(name);
    const settings = existing ?? settingsOfNew(onMissing);
    if (settings && !(skipInactive && settings.active === false)) continue;
    amounts = amounts.filter(([other]) => other !== name);
  }
  // The refusal names every missing limit, and comes before any other reason.
  const refusal =
    onMissing === 'error' && missing.length > 0 ? notFound(missing, state.limits) : whyNever(state, request, amounts);
  return { refusal: refusal ?? whyNotMade(state, onMissing, missing), amounts, missing };
}

function whyNotMade({ limits }: State, onMissing: OnMissing, missing: readonly string[]): Refusal | undefined {
  if (typeof onMissing !== 'object') return undefined;
  for (const name of missing) {
    const existing =
      limits.lookAlike(name) ?? missing.find((other) => other !== name && lookOf(other) === lookOf(name));
    if (existing !== undefined) return looksTheSame(name, existing);
  }
  return undefined;
}

/** Why these amounts can never be granted as the limits are. The refusal names every limit that should be a rate and is none. */
export function whyNever(
  { limits }: State,
  { onMissing, ratesOnly }: AcquireRequest,
  amounts: Amounts,
): Refusal | undefined {
  let refusal: Refusal | undefined;
  const semaphores: string[] = [];
  for (const [name, slots] of amounts) {
    const settings = limits.get(name)?.settings ?? settingsOfNew(onMissing);
    if (!settings) throw new BrokenInvariant(`limit '${name}' is admitted, and does not exist`);
    if (settings.active !== false && slots > settings.slots) refusal ??= tooLarge(name, slots, settings.slots);
    if (settings.mode === 'draining') refusal ??= draining(name);
    if (ratesOnly && !isRate(settings)) semaphores.push(name);
  }
  return semaphores.length > 0 ? notRates(semaphores) : refusal;
}

/** The settings of a limit that is to be created; undefined: the name is left out of the acquire. */
function settingsOfNew(onMissing: OnMissing): NewLimit | undefined {
  return typeof onMissing === 'object' ? onMissing : undefined;
}
