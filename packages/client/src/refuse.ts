/** Throws what is wrong with a call's arguments, before anything is sent. */
import { invalidRequest } from '@slotkeeper/protocol';
import type { Problem } from '@slotkeeper/shape';
import { errorOf } from './errors.ts';

/** Throws the problem, if there is one. */
export function refuse(problem: Problem): never;
export function refuse(problem: Problem | undefined): void;
export function refuse(problem: Problem | undefined): void {
  if (problem) throw errorOf(invalidRequest(problem));
}
