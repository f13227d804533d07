/** Which codecs there are, and which one a WebSocket speaks. A second encoding is one more file, and one more in the list. */
import type { Codec } from './frames.ts';
import { jsonCodec } from './json-codec.ts';

/**
 * All of them, in the order in which a client offers them. JSON is the first: 0.1.0 knows no sub-protocols, so a client of it
 * offers none, and a server of it agrees to the first that is offered, whatever it is.
 */
export const CODECS: readonly [Codec, ...Codec[]] = [jsonCodec];

/** The codec of a sub-protocol that both ends have agreed on; without one, JSON. */
export function codecNamed(name: string): Codec {
  return CODECS.find((codec) => codec.name === name) ?? jsonCodec;
}

/** The codec to agree on: the last of ours that is offered; undefined if none is. */
export function codecOf(offered: ReadonlySet<string>): Codec | undefined {
  return CODECS.findLast(({ name }) => offered.has(name));
}
