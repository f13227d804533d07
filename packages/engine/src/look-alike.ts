/** Names that differ for machines and not for people: `db` and `db `, é as one character or as two, a blank of no width. */

/** What most names are: each character is seen, and is no other's. */
const PLAIN = /^[!-~]+$/;
const UNSEEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}]/gu;

/** The same for names that look the same. */
export function lookOf(name: string): string {
  if (PLAIN.test(name)) return name;
  return name.normalize('NFC').replace(UNSEEN, '').replace(/\s+/g, ' ').trim();
}

/** A name with the codes of what is not seen, or not by itself: combining marks, blanks of other kinds. */
export function spelled(name: string): string {
  return name.replace(/[\p{Cc}\p{Default_Ignorable_Code_Point}\p{M}]|[^\S ]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Which names look like which others. Keeps only those that do not look like themselves, which are few. */
export class LookAlikes {
  readonly #byLook = new Map<string, Set<string>>();

  add(name: string): void {
    const look = lookOf(name);
    if (look === name) return;
    const names = this.#byLook.get(look);
    if (names) names.add(name);
    else this.#byLook.set(look, new Set([name]));
  }

  remove(name: string): void {
    const look = lookOf(name);
    const names = this.#byLook.get(look);
    names?.delete(name);
    if (names?.size === 0) this.#byLook.delete(look);
  }

  /** Another name that looks the same; `has`: whether a name is there. */
  of(name: string, has: (name: string) => boolean): string | undefined {
    const look = lookOf(name);
    if (look !== name && has(look)) return look;
    for (const other of this.#byLook.get(look) ?? []) if (other !== name) return other;
    return undefined;
  }
}
