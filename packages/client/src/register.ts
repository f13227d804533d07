/** Which names limits have. */

/**
 * Declare your limits' names, and the compiler knows them:
 *
 *     declare module 'slotkeeper' {
 *       interface Register { limit: 'db' | `llm:${string}` }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: its members are declared by the programs that use this package.
export interface Register {}

/** Any text, unless `Register` says more. */
export type LimitName = Register extends { limit: infer N extends string } ? N : string;

/** A name, a list of names, or an object from name to slots. (As a template, the name leaves it to the object to say what `N` is.) */
export type Limits<N extends string = LimitName> = `${N}` | readonly N[] | { readonly [K in N]: number };
