/**
 * How much the fuzz tests try: small by default, so that they run with the others; `FUZZ=20` tries twenty times as much.
 * Each test prints its seed; `SEED=N` brings a run back.
 */
import { Random } from '../random.ts';

const FACTOR = Number(process.env.FUZZ ?? 1);

export function times(count: number): number {
  return Math.ceil(count * FACTOR);
}

/** A generator with a seed. A failure prints the seed and the command that repeats it. */
export function seeded(file: string): Random {
  const random = new Random();
  const budget = FACTOR === 1 ? '' : `FUZZ=${FACTOR} `;
  console.log(`seed ${random.seed}: ${budget}SEED=${random.seed} npx vitest run test/fuzz/${file}`);
  return random;
}

/** Not a measure, but an end to a run that hangs. */
export const TEST_TIMEOUT_MS = 180_000 * Math.max(1, FACTOR);
