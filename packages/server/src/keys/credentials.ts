/** What clients may show, from the options and their files, as it is at this moment. */
import { readFileSync } from 'node:fs';
import type { Right } from '@slotkeeper/prefect';
import { readKeyFile, sha256 } from './key-file.ts';

export interface CredentialOptions {
  readonly apiKey?: string | null | undefined;
  readonly authString?: string | null | undefined;
  /** Files that have them instead. A line break at their ends is not part of them. */
  readonly apiKeyFile?: string | undefined;
  readonly authStringFile?: string | undefined;
  /** A file of named keys (key-file.ts), besides. */
  readonly apiKeysFile?: string | undefined;
}

/** One that may be shown; all that is kept of it are digests. */
export interface Credential {
  readonly name: string;
  readonly right: Right;
  readonly prefix: string;
  /** The digest of what is shown in a first message. */
  readonly ofToken: string;
  /** The digest of an `Authorization`, after its scheme. */
  readonly ofHeader: string;
  readonly scheme: 'Bearer' | 'Basic';
}

/** Throws an `Error` with a sentence for people. */
export function readCredentials(options: CredentialOptions): readonly Credential[] {
  const apiKey = options.apiKey ?? (options.apiKeyFile && secretIn(options.apiKeyFile));
  const authString = options.authString ?? (options.authStringFile && secretIn(options.authStringFile));
  const all: Credential[] = [];
  if (apiKey) all.push(bearer('api-key', 'admin', '', sha256(apiKey)));
  if (authString) {
    const ofHeader = sha256(Buffer.from(authString).toString('base64'));
    const ofToken = sha256(authString);
    all.push({ name: 'auth-string', right: 'admin', prefix: '', ofToken, ofHeader, scheme: 'Basic' });
  }
  if (options.apiKeysFile !== undefined) {
    const file = options.apiKeysFile;
    for (const { name, right, prefix = '', sha256 } of readKeyFile(contentOf(file), file))
      all.push(bearer(name, right, prefix, sha256));
  }
  refuseTwice(all);
  return all;
}

function bearer(name: string, right: Right, prefix: string, digest: string): Credential {
  return { name, right, prefix, ofToken: digest, ofHeader: digest, scheme: 'Bearer' };
}

/** A name says in the journal who did what, and a key has one right. */
function refuseTwice(all: readonly Credential[]): void {
  for (const [at, { name, ofToken }] of all.entries()) {
    const earlier = all.slice(0, at);
    if (earlier.some((other) => other.name === name))
      throw new Error(`Two keys have the name '${name}': give each its own.`);
    const same = earlier.find((other) => other.ofToken === ofToken);
    if (same) throw new Error(`The keys '${same.name}' and '${name}' are the same: make another for one of them.`);
  }
}

function secretIn(file: string): string {
  const text = contentOf(file).replace(/\r?\n$/, '');
  if (text === '') throw new Error(`${file} is empty: it must have the secret in its first line.`);
  if (text.includes('\n')) throw new Error(`${file} has more than one line: it must have the secret alone.`);
  return text;
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
}
