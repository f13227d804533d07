/**
 * Patterns of labels: `*` stands for any text, `?` for any one character of UTF-16.
 *
 * All places in the pattern to which the text so far may have led are kept at once, a bit each, and one character moves all
 * of them. So a comparison takes as many steps as the text is long, times the words of 32 bits that the pattern fills. One
 * that goes back to try again (a regular expression, or the usual loop) takes pattern times text, or for ever.
 */

const BITS = 32;

export function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}

export function globMatcher(pattern: string): (text: string) => boolean {
  if (!isGlob(pattern)) return (text) => text === pattern;
  const stars = pattern.replace(/\*+/g, '*');
  const size = stars.replaceAll('*', '').length;
  const words = Math.floor(size / BITS) + 1;
  /** Places at which any text may be passed over. */
  const stays = new Uint32Array(words);
  const anyOne = new Uint32Array(words);
  const byChar = new Map<number, Uint32Array>();
  let place = 0;
  for (let i = 0; i < stars.length; i += 1) {
    if (stars[i] === '*') {
      setBit(stays, place);
      continue;
    }
    place += 1;
    if (stars[i] === '?') setBit(anyOne, place);
    else setBit(ofChar(byChar, stars.charCodeAt(i), words), place);
  }
  return (text) => {
    let places = new Uint32Array(words);
    let next = new Uint32Array(words);
    setBit(places, 0);
    for (let i = 0; i < text.length; i += 1) {
      const wanted = byChar.get(text.charCodeAt(i));
      let carry = 0;
      for (let w = 0; w < words; w += 1) {
        const here = places[w]!;
        const moved = ((here << 1) | carry) & (anyOne[w]! | (wanted?.[w] ?? 0));
        carry = here >>> (BITS - 1);
        next[w] = moved | (here & stays[w]!);
      }
      [places, next] = [next, places];
    }
    return ((places[words - 1]! >>> (size % BITS)) & 1) === 1;
  };
}

function ofChar(byChar: Map<number, Uint32Array>, char: number, words: number): Uint32Array {
  const there = byChar.get(char);
  if (there) return there;
  const made = new Uint32Array(words);
  byChar.set(char, made);
  return made;
}

function setBit(bits: Uint32Array, at: number): void {
  bits[Math.floor(at / BITS)]! |= 1 << (at % BITS);
}
