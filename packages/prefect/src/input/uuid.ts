/** UUIDs in every form that Prefect's server accepts: plain, without dashes, in braces or as `urn:uuid:…`. */
import { fault, type Reader } from './faults.ts';

const HEX = '[0-9a-fA-F]';
const DASHED = `(${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12})`;
const FORM = new RegExp(`^(?:${DASHED}|\\{${DASHED}\\}|urn:uuid:${DASHED}|(${HEX}{32}))$`);
const GROUPS = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

/** Reads a UUID to its canonical form in lower case. */
export const uuid: Reader<string> = (input, loc) => {
  if (typeof input !== 'string') {
    return fault('uuid_type', 'UUID input should be a string, bytes or UUID object', input, loc);
  }
  const digits = FORM.exec(input)
    ?.slice(1)
    .find((group) => group !== undefined);
  if (digits !== undefined) return digits.toLowerCase().replace(GROUPS, '$1-$2-$3-$4-$5');
  const error = 'expected 32 hexadecimal digits, with dashes or without';
  return fault('uuid_parsing', `Input should be a valid UUID, ${error}`, input, loc, { error });
};
