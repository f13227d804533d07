/** A request that failed: the server refused it, or no answer came. */
import { type Reply, statusLine } from './reply.ts';

/** The server refused the request. */
export class PrefectApiError extends Error {
  override readonly name = 'PrefectApiError';
  readonly reply: Reply;

  constructor(path: string, reply: Reply) {
    super(`POST ${path} was answered with ${statusLine(reply)}`);
    this.reply = reply;
  }

  get status(): number {
    return this.reply.status;
  }
}

export interface NoAnswerOptions extends ErrorOptions {
  /** What the user of the program may do, in its words. */
  readonly advice?: string | undefined;
}

/** No answer came, or one that a Prefect server does not give. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  /** What was seen instead of an answer. */
  readonly reason: string;
  /** Whether the server may have carried the request out all the same. */
  readonly isUndecided: boolean;

  constructor(url: string, reason: string, isUndecided: boolean, { advice, ...options }: NoAnswerOptions = {}) {
    super(`No answer from ${url}: ${reason}.${advice === undefined ? '' : ` ${advice}`}`, options);
    this.reason = reason;
    this.isUndecided = isUndecided;
  }

  /** @param failure what `fetch` threw */
  static from(url: string, failure: unknown, advice?: string): NoAnswerError {
    const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const message = (cause instanceof Error && cause.message) || String(code ?? failure);
    const isUnsent = UNSENT_CODES.has(code) || message === BAD_PORT;
    return new NoAnswerError(url, message, !isUnsent, { cause: failure, advice });
  }
}

/** An answer of 200 that says nothing a Prefect server would: a page of a proxy, say. */
export class UnreadableAnswerError extends NoAnswerError {
  constructor(url: string, path: string, options?: NoAnswerOptions) {
    super(url, `POST ${path} was answered with 200, but with nothing that a Prefect server says`, true, options);
  }
}

/** Codes of failures that come before the request has left. */
const UNSENT_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** `fetch` opens no connection to the ports of some old services, and gives no code for that. */
const BAD_PORT = 'bad port';
