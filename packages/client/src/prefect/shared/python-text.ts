/** A list of strings as Python prints it, and so Prefect's messages: `['a', "it's"]`. */
export function pythonList(texts: readonly string[]): string {
  return `[${texts.map(pythonString).join(', ')}]`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\p{Cc}]/gu, (character) => ESCAPES[character] ?? hexEscape(character));
  return quote + (quote === "'" ? inner.replaceAll("'", "\\'") : inner) + quote;
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
