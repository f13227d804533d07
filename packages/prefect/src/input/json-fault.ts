/**
 * Where JSON is malformed, and how, in the words of Python's parser, which Prefect's clients get to see. For text that
 * `JSON.parse` has refused, or that has many brackets.
 */

export interface JsonFault {
  readonly error: string;
  /** In characters, each code point being one. */
  readonly position: number;
}

class Fault extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const BLANKS = /[ \t\n\r]*/y;
const LITERAL = /null|true|false|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON forbids in a string
const PLAIN_TEXT = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
export const DEPTH_MAX = 100;

/** Also finds what is nested too deeply to be worked on, which `JSON.parse` takes. */
export function jsonFault(text: string): JsonFault | undefined {
  try {
    const end = skip(BLANKS, text, value(text, skip(BLANKS, text, 0), 0));
    if (end < text.length) throw new Fault('Extra data', end);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { error: error.message, position: [...text.slice(0, error.at)].length };
  }
  return undefined;
}

function value(text: string, at: number, depth: number): number {
  if (depth > DEPTH_MAX) throw new Fault(`Nested deeper than ${DEPTH_MAX} levels`, at);
  switch (text[at]) {
    case '{':
      return members(text, at, '}', depth, member);
    case '[':
      return members(text, at, ']', depth, value);
    case '"':
      return string(text, at);
  }
  const end = skip(LITERAL, text, at);
  if (end === at) throw new Fault('Expecting value', at);
  return end;
}

function members(text: string, from: number, close: string, depth: number, one: typeof value): number {
  let at = skip(BLANKS, text, from + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    at = skip(BLANKS, text, one(text, at, depth + 1));
    if (text[at] === close) return at + 1;
    if (text[at] !== ',') throw new Fault("Expecting ',' delimiter", at);
    at = skip(BLANKS, text, at + 1);
  }
}

function member(text: string, at: number, depth: number): number {
  if (text[at] !== '"') throw new Fault('Expecting property name enclosed in double quotes', at);
  const colon = skip(BLANKS, text, string(text, at));
  if (text[colon] !== ':') throw new Fault("Expecting ':' delimiter", colon);
  return value(text, skip(BLANKS, text, colon + 1), depth);
}

function string(text: string, from: number): number {
  for (let at = from + 1; ; ) {
    at = skip(PLAIN_TEXT, text, at);
    const stop = text[at];
    if (stop === '"') return at + 1;
    const next = text[at + 1];
    if (stop === undefined || (stop === '\\' && next === undefined)) {
      throw new Fault('Unterminated string starting at', from);
    }
    if (stop !== '\\') throw new Fault('Invalid control character at', at);
    const after = skip(ESCAPE, text, at);
    if (after === at)
      throw next === 'u' ? new Fault('Invalid \\uXXXX escape', at + 1) : new Fault('Invalid \\escape', at);
    at = after;
  }
}

/** Where a match that begins at `at` ends. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
