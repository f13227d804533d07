/** The certificate and its private key, as they are in their files at this moment. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

export interface TlsFiles {
  /** The server's certificate, followed by those that lead to a known authority; PEM. */
  readonly cert: string;
  /** Its private key; PEM. */
  readonly key: string;
}

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws an `Error` with a sentence for people if one cannot be read, or the two do not belong together. */
export function readTlsFiles(files: TlsFiles): TlsPair {
  const pair = { cert: contentOf(files.cert), key: contentOf(files.key) };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new Error(
      `${files.cert} and ${files.key} are no certificate with its private key (PEM): ${(error as Error).message}.`,
      { cause: error },
    );
  }
  return pair;
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
}
