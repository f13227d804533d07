/** For what no event reports: looks again and again, as long as the test may take, so that no machine is too slow. */
import { setTimeout } from 'node:timers/promises';

const PAUSE_MS = 20;
/** After so long it prints what it waits for; the test's own timeout ends it. */
const PRINT_AFTER_LOOKS = 500;

/** Resolves once `check` no longer throws, to what it returns. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    try {
      return await check();
    } catch (error) {
      if (looks === PRINT_AFTER_LOOKS) console.log('Still waiting for this to pass:', error);
    }
    await setTimeout(PAUSE_MS, undefined, { ref: false });
  }
}
