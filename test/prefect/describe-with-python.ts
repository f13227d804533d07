/** Tests that need a Python. Where there is none they are skipped, and say so. */
import { describe } from 'vitest';
import { whyNoPython } from './venv.ts';

export function describeWithPython(title: string, tests: () => void): void {
  const reason = whyNoPython();
  if (reason !== undefined) console.warn(`Skipped, since ${reason}: ${title}`);
  describe.skipIf(reason !== undefined)(title, tests);
}
