/** Names as the seed takes them: one or a list. */
import { type Check, limitName, seen } from '@slotkeeper/shape';

export type Names = string | readonly string[];

export const checkNames: Check = (names, field) => {
  // The seed takes an empty text for no names.
  if (names === '') return undefined;
  if (typeof names === 'string') return limitName.check(names, field);
  if (!Array.isArray(names)) return { field, reason: `must be a name or a list of names, but was ${seen(names)}` };
  for (const name of names) {
    const problem = limitName.check(name, field);
    if (problem) return problem;
  }
  return undefined;
};

export function namesOf(names: Names): readonly string[] {
  if (typeof names !== 'string') return names;
  return names === '' ? [] : [names];
}
