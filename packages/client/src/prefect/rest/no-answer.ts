/** A server that gave no answer, and whether it may have done what it was asked. */

/** Codes of failures that come before the request has left. */
const UNSENT_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  /** Whether the server may have done it all the same. */
  readonly undecided: boolean;

  constructor(message: string, undecided: boolean, options?: ErrorOptions) {
    super(message, options);
    this.undecided = undecided;
  }
}

/**
 * @param failure what `fetch` threw, or a text that says what came in place of an answer
 * @param before whether an earlier try may have been carried out
 */
export function noAnswer(url: string, failure: unknown, before: boolean): NoAnswerError {
  const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure;
  const unsent = cause instanceof Error && 'code' in cause && UNSENT_CODES.has(cause.code);
  const seen = cause instanceof Error ? cause.message : String(cause);
  return new NoAnswerError(
    `No answer from ${url} (${seen}). Start a server there, or name another in SLOTKEEPER_URL or PREFECT_API_URL.`,
    before || !unsent,
    { cause: failure },
  );
}
