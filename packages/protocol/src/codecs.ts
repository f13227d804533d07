/** The codecs, and which one a WebSocket uses. A second encoding is one more file, and one more item in the list. */
import type { Codec } from './frames.ts';
import { jsonCodec } from './json-codec.ts';

/**
 * All codecs, in the order in which a client offers them. JSON is the first, because of 0.1.0, which knows no sub-protocols:
 * its client offers none, and its server agrees to the first that is offered without looking at it.
 */
export const CODECS: readonly [Codec, ...Codec[]] = [jsonCodec];

/** The codec of the sub-protocol that both ends have agreed on. JSON if there is none. */
export function codecNamed(name: string): Codec {
  return CODECS.find((codec) => codec.name === name) ?? jsonCodec;
}

/** The codec that a server agrees to: the last of ours that the client offers; undefined if it offers none. */
export function codecOf(offered: ReadonlySet<string>): Codec | undefined {
  return CODECS.findLast(({ name }) => offered.has(name));
}
