/** A bug to plant: a small patch of a real line. A test or the simulation must find it, or nothing guards that line. */
export interface PlantedBug {
  readonly name: string;
  /** Below `packages/`. */
  readonly file: string;
  /** Occurs exactly once in the file (`test/planted.test.ts` watches this). */
  readonly find: string;
  readonly replace: string;
  /** The test file, from the root, that fails with the bug and passes without it. If missing, the simulation finds the bug. */
  readonly test?: string;
}
