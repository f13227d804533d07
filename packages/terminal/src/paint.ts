import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

/** Gives text a style, or leaves it as it is where no colours are wanted. */
export type Paint = (style: Style, text: string) => string;

/** For a stream: no colours where it is no terminal, or `NO_COLOR` asks for none. */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (style, text) => styleText(style, text, { stream });
}
