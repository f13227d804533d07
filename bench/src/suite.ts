import type { Contender, ContenderServer } from './contender.ts';

/** Contenders that are measured by the same work, and whose figures are given as ratios of each other's. */
export interface Suite {
  /** What a pair is. */
  readonly pair: string;
  /** The word for those who ask: `caller`. */
  readonly caller: string;
  /** How many callers there are at once, in the order in which that is measured. */
  readonly callers: readonly number[];
  /** In the order in which they take turns. The first is the bound: it decides and keeps nothing. */
  readonly contenders: readonly Contender[];
  /** Whose pairs a second are told as a multiple of whose. */
  readonly beside: readonly (readonly [ours: string, theirs: string])[];
  readonly cases: readonly Case[];
}

export interface CaseSize {
  readonly seconds: number;
}

/** A piece of work of which is known how it would go at best. */
export interface Case {
  readonly name: string;
  readonly title: (size: CaseSize) => string;
  /** What its figures are; the first is the one of which the ideal is known. */
  readonly figures: readonly string[];
  readonly ideal: (size: CaseSize) => number;
  /** Why it cannot be measured on this machine, with what to do about it; undefined: it can. */
  missing(): string | undefined;
  asks(contender: Contender): boolean;
  run(target: CaseTarget, size: CaseSize): Promise<readonly number[]>;
}

export interface CaseTarget {
  readonly url: string;
  readonly api: 'v1' | 'v2';
  /** A folder of its own, which is removed at the end. */
  readonly folder: string;
}

export function serversOf(contenders: readonly Contender[]): ReadonlySet<ContenderServer> {
  return new Set(contenders.map(({ server }) => server));
}
