/** The names of limits, as types. */

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

/** A name, a list of names, or an object from name to slots. */
export type Limits = LimitName | readonly LimitName[] | { readonly [N in LimitName]?: number };

/** The names in `L`. */
export type NamesIn<L> = L extends string ? L : L extends readonly (infer N extends string)[] ? N : keyof L & string;

/** `L`, without undeclared names in an object. For type parameters the compiler does not refuse such names by itself. */
export type Declared<L> = L &
  (L extends string | readonly string[] ? unknown : { readonly [N in Exclude<NamesIn<L>, LimitName>]: never });
