/** A short way to tell examples of rates. */
import type { Step } from '../src/index.ts';
import { Scene } from './scene.ts';

export interface Granted {
  readonly lease: string;
  readonly atMs: number;
  readonly slots: number;
}

/** A scene with a rate `r`. */
export function rate(slots: number, slotDecayPerSecond: number, others: Readonly<Record<string, number>> = {}): Scene {
  const scene = new Scene(others);
  // So many milliseconds as there were in 2026 leave a double few digits for fractions.
  scene.nowMs = 1_790_000_000_000;
  scene.limit('r', { slots, slotDecayPerSecond });
  return scene;
}

/** As `rateLimit` of the client does: what is granted is let go at once, and stays spent. */
export function spend(scene: Scene, lease: string, slots = 1, options: Parameters<Scene['acquire']>[2] = {}): string {
  const answer = scene.acquire(lease, { r: slots }, { ratesOnly: true, ...options });
  if (answer === 'granted') scene.release(lease);
  return answer;
}

/** As Prefect's leases do: what is taken belongs to the lease. */
export function hold(scene: Scene, lease: string, slots = 1): void {
  scene.acquire(lease, { r: slots }, { refunds: true });
}

export function grantsOf(scene: Scene): Granted[] {
  return scene.facts.flatMap((fact) => {
    if (fact.type !== 'lease.granted') return [];
    return [{ lease: fact.leaseId, atMs: fact.at, slots: new Map(fact.amounts).get('r') ?? 0 }];
  });
}

/** When each was granted, in milliseconds from then. */
export function times(scene: Scene, fromMs: number): Record<string, number> {
  return Object.fromEntries(grantsOf(scene).map(({ lease, atMs }) => [lease, Math.round(atMs - fromMs)]));
}

/** The most by which the grants of any stretch of time were more than `limit + rate × t`. */
export function worstExcess(granted: readonly Granted[], slots: number, perSecond: number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const [i, first] of granted.entries()) {
    let sum = 0;
    for (const { atMs, slots: taken } of granted.slice(i)) {
      sum += taken;
      worst = Math.max(worst, sum - slots - (perSecond * (atMs - first.atMs)) / 1000);
    }
  }
  return worst;
}

/** Lets time pass with a tick at each wake-up, and counts them. */
export function ticks(scene: Scene, ms: number, afterEach: (step: Step) => void = () => {}): number {
  const untilMs = scene.nowMs + ms;
  let count = 0;
  for (let atMs = scene.engine.wakeAtMs; atMs !== null && atMs <= untilMs; atMs = scene.engine.wakeAtMs) {
    scene.nowMs = Math.max(scene.nowMs, atMs);
    afterEach(scene.do({ type: 'tick' }));
    count += 1;
  }
  scene.nowMs = untilMs;
  return count;
}
