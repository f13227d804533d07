/** Reads the bytes of a request as its content type says: JSON, a text that is not JSON, or no body. */
import { PrefectError } from '../api/answers.ts';
import { invalidRequest } from './faults.ts';

export type Body =
  | { readonly is: 'none' }
  | { readonly is: 'json'; readonly value: unknown }
  /** Its content type says that it is not JSON. */
  | { readonly is: 'text'; readonly text: string };

const DEPTH_MAX = 100;
const JSON_TYPE = /^application\/(?:[^;]+\+)?json\s*(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws a `PrefectError` for bytes that are not UTF-8 and for malformed JSON. A body without a content type is read as JSON. */
export function readBody(bytes: Buffer | undefined, contentType: string | undefined): Body {
  if (!bytes || bytes.length === 0) return { is: 'none' };
  const text = decode(bytes);
  if (contentType && !JSON_TYPE.test(contentType)) return { is: 'text', text };
  return { is: 'json', value: parse(text) };
}

/** The request's body, as an error repeats it. */
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

/** The error of a Prefect server for malformed JSON, with its position. The words are V8's, not those of Python's parser. */
function malformed(error: string, text: string): PrefectError {
  return invalidRequest(
    [{ type: 'json_invalid', loc: ['body'], msg: 'JSON decode error', input: {}, ctx: { error } }],
    text,
  );
}

/** Whether the value has more than so many levels: recursion over a deeper one would overflow the stack. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
