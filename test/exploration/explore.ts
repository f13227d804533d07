/** Breadth first through all that can happen: each state once, by the shortest way to it. */
import type { Cast } from './cast.ts';
import { check, drain } from './checks.ts';
import { look } from './look.ts';
import { Alone, type Stepper } from './stepper.ts';
import { World } from './world.ts';

export interface Explored {
  /** New states at each depth, from depth 0. */
  readonly states: readonly number[];
  readonly transitions: number;
  /** Nothing is left: these are all states there are. */
  readonly complete: boolean;
}

export interface ExploreOptions {
  readonly depth: number;
  readonly stepper?: () => Stepper;
  /** Called after each depth. */
  readonly progress?: (explored: Explored) => void;
}

/** How one came to a state: by a move from another. */
interface Way {
  readonly from: Way | null;
  readonly move: string;
  /** What can follow. */
  readonly moves: readonly string[];
}

/** Throws at the first thing that is wrong, with the moves that lead to it. */
export function explore(cast: Cast, { depth, stepper = () => new Alone(), progress }: ExploreOptions): Explored {
  const start = look(new World(cast, stepper()));
  const seen = new Set([start.key]);
  const states = [1];
  let transitions = 0;
  let frontier: Way[] = [{ from: null, move: '', moves: start.moves }];
  for (let at = 0; at < depth && frontier.length > 0; at++) {
    const next: Way[] = [];
    for (const way of frontier) {
      const before = path(way);
      for (const move of way.moves) {
        transitions += 1;
        const moves = [...before, move];
        const world = walk(cast, stepper, before);
        const found = telling(moves, () => {
          world.do(move);
          check(world);
          return look(world);
        });
        if (seen.has(found.key)) continue;
        seen.add(found.key);
        next.push({ from: way, move, moves: found.moves });
        // It is not needed any more, and each state is to be drained once.
        telling([...moves, 'drain'], () => drain(world));
      }
    }
    frontier = next;
    states.push(next.length);
    progress?.({ states, transitions, complete: next.length === 0 });
  }
  return { states, transitions, complete: frontier.length === 0 };
}

function path(way: Way): string[] {
  const moves: string[] = [];
  for (let at: Way | null = way; at?.from; at = at.from) moves.push(at.move);
  return moves.reverse();
}

/** The engine cannot undo a step, so each state is reached from the start again. */
function walk(cast: Cast, stepper: () => Stepper, moves: readonly string[]): World {
  const world = new World(cast, stepper());
  for (const move of moves) world.do(move);
  return world;
}

function telling<T>(moves: readonly string[], body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new Error(`after ${moves.join(', ')}: ${(error as Error).message}`, { cause: error });
  }
}
