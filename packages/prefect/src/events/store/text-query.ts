/** A search for words in events: `error "timed out" -debug +required`. */
import type { PrefectEvent } from '../event.ts';

/** All words are in lower case. */
export interface TextQuery {
  /** The event must have one of these, if there are any. */
  readonly include: readonly string[];
  /** It must have none of these. */
  readonly exclude: readonly string[];
  /** It must have each of these. */
  readonly required: readonly string[];
}

const TERM = /([-!+]?)(?:"((?:\\.|[^"\\])*)"?|([^\s"]+))/gs;

export function parseTextQuery(text: string): TextQuery {
  const query = { include: [] as string[], exclude: [] as string[], required: [] as string[] };
  for (const [, sign, phrase, word] of text.matchAll(TERM)) {
    const term = (word ?? phrase!.replace(/\\(["\\])/g, '$1')).toLowerCase();
    // A sign on its own means nothing.
    if (term.trim() === '' || (sign === '' && /^[-!+]$/.test(term))) continue;
    const list = sign === '+' ? query.required : sign === '' ? query.include : query.exclude;
    list.push(term);
  }
  return query;
}

export function textMatches({ include, exclude, required }: TextQuery, event: PrefectEvent): boolean {
  const resources = [event.resource, ...event.related].flatMap((resource) => Object.values(resource));
  const text = [event.event, ...resources, JSON.stringify(event.payload)].join(' ').toLowerCase();
  const has = (term: string): boolean => text.includes(term);
  return (include.length === 0 || include.some(has)) && !exclude.some(has) && required.every(has);
}
