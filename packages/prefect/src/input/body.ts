/** From the bytes of a request to what they say: JSON, something that is no JSON by its content type, or nothing. */
import { PrefectError } from '../api/answers.ts';
import { invalidRequest } from './faults.ts';

export type Body =
  | { readonly is: 'none' }
  | { readonly is: 'json'; readonly value: unknown }
  /** Not read as JSON, since its content type says that it is something else. */
  | { readonly is: 'text'; readonly text: string };

const DEPTH_MAX = 100;
const JSON_TYPE = /^application\/(?:[^;]+\+)?json\s*(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws a `PrefectError` for bytes that are not UTF-8 and for malformed JSON. No content type at all counts as JSON. */
export function readBody(bytes: Buffer | undefined, contentType: string | undefined): Body {
  if (!bytes || bytes.length === 0) return { is: 'none' };
  const text = decode(bytes);
  if (contentType && !JSON_TYPE.test(contentType)) return { is: 'text', text };
  return { is: 'json', value: parse(text) };
}

/** What an error tells back as the request's body. */
export function echo(body: Body): unknown {
  if (body.is === 'none') return null;
  return body.is === 'json' ? body.value : body.text;
}

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new PrefectError(400, { detail: 'There was an error parsing the body' });
  }
}

function parse(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed((error as Error).message, text);
  }
  const openers = text.match(/[[{]/g)?.length ?? 0;
  if (openers > DEPTH_MAX && isDeeper(value, DEPTH_MAX))
    throw malformed(`Nested deeper than ${DEPTH_MAX} levels`, text);
  return value;
}

/** In the form of a Prefect server, which tells a position, too. The words are those of this parser, not of Python's. */
function malformed(error: string, text: string): PrefectError {
  return invalidRequest(
    [{ type: 'json_invalid', loc: ['body'], msg: 'JSON decode error', input: {}, ctx: { error } }],
    text,
  );
}

/** What is nested too deeply cannot be worked on. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
