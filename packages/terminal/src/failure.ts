/** What a command says when it fails: one sentence or two on stderr, and the exit code. */
import { printable } from '@slotkeeper/shape';

export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** A failure that has already been put into words for its user. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, options: ErrorOptions & { readonly exitCode?: number } = {}) {
    super(message, options);
    this.exitCode = options.exitCode ?? EXIT.failed;
  }
}

/** The words of any error, on one line. Names in it are anyone's text, so escape sequences are shown by their codes. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return printable(text.replace(/\s*\n\s*/g, ' ').trim()) || 'It failed for a reason that left no message.';
}

/** A text as one word of a command line that may be copied into a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The operating system's code of an error (`EADDRINUSE`), if it has one. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Ended by Ctrl-C or SIGTERM, with everything cleaned up. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
