/**
 * Formats of what is stored. From format 3 on, which the first released version wrote, every later version reads all
 * earlier ones. A format is exact: rows of it have these fields and no others, since nobody but this code writes them, so
 * that a field too many is damage. A change of any row is a new format, with a decoder of its own for the one before.
 */

import type { Fact } from '@slotkeeper/engine';
import { Malformed } from '@slotkeeper/shape';
import { decodeFact } from './codec.ts';
import { list, parse } from './fields.ts';
import { decodeFactOfFormat3 } from './format-3.ts';

/** What this version writes. */
export const FORMAT = 4;

const DECODERS = new Map<number, (row: unknown) => Fact>([
  [3, decodeFactOfFormat3],
  [FORMAT, decodeFact],
]);

/** @throws Malformed on anything that the version of that format did not write. */
export function decodeFacts(encoded: string, format: number): Fact[] {
  const decode = DECODERS.get(format);
  if (!decode) throw new Malformed('', `it has facts of format ${format}, which never was`);
  return list(parse(encoded)).map(decode);
}

/** Whether this version reads it. */
export function isKnown(format: number): boolean {
  return DECODERS.has(format);
}
