/** Ids of task runs, in every form that Prefect's server takes them, and what it says of those that are none. */
import { fault, type Reader } from './validation.ts';

const HEX_GROUPS = [8, 4, 4, 4, 12] as const;
const LENGTH_MAX = 'urn:uuid:'.length + 36;

/** Reads a UUID, plain, without dashes, in braces or as `urn:uuid:…`, to its canonical form in lower case. */
export const uuid: Reader<string> = (input, loc) => {
  if (typeof input !== 'string') {
    return fault('uuid_type', 'UUID input should be a string, bytes or UUID object', input, loc);
  }
  const { digits, offset, isPlain } = unwrapped(input);
  const error = whatIsWrong(input, digits, offset, isPlain);
  if (error) return fault('uuid_parsing', `Input should be a valid UUID, ${error}`, input, loc, { error });
  return canonical(digits);
};

function unwrapped(text: string): { digits: string; offset: number; isPlain: boolean } {
  if (text.startsWith('{') && text.endsWith('}')) return { digits: text.slice(1, -1), offset: 1, isPlain: false };
  if (text.startsWith('urn:uuid:')) return { digits: text.slice(9), offset: 9, isPlain: false };
  return { digits: text, offset: 0, isPlain: true };
}

function whatIsWrong(text: string, digits: string, offset: number, isPlain: boolean): string | undefined {
  const length = Buffer.byteLength(text);
  if (length > LENGTH_MAX) return `invalid length: found ${length}`;
  const foreign = /[^0-9a-fA-F-]/u.exec(digits);
  if (foreign) return `invalid character: found \`${foreign[0]}\` at ${offset + foreign.index}`;
  const groups = digits.split('-');
  if (groups.length === 1 && isPlain) return length === 32 ? undefined : plainLengthFault(length);
  if (groups.length !== HEX_GROUPS.length) return `invalid group count: expected 5, found ${groups.length}`;
  const wrong = HEX_GROUPS.findIndex((size, i) => groups[i]?.length !== size);
  if (wrong === -1) return undefined;
  return `invalid group length in group ${wrong}: expected ${HEX_GROUPS[wrong]}, found ${groups[wrong]?.length}`;
}

/** As many characters as a UUID with dashes has are taken for one that lacks them. */
function plainLengthFault(length: number): string {
  return length === 36 ? 'invalid group count: expected 5, found 1' : `invalid length: found ${length}`;
}

const PLAIN = /^(.{8})-?(.{4})-?(.{4})-?(.{4})-?(.{12})$/;

/** From hexadecimal digits of the right number, with dashes or without. */
export function canonical(digits: string): string {
  return digits.toLowerCase().replace(PLAIN, '$1-$2-$3-$4-$5');
}
