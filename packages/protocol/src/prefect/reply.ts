/** One answer of a Prefect server, read to its end. */
export interface Reply {
  readonly status: number;
  /** The server's words for the status; may be empty. */
  readonly statusText: string;
  readonly headers: Headers;
  readonly text: string;
  /** The body; undefined where it is no JSON. */
  readonly json: unknown;
}

export async function readReply(answer: Response): Promise<Reply> {
  const { status, statusText, headers } = answer;
  const text = await answer.text();
  return { status, statusText, headers, text, json: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An answer in one line, as Prefect's client shows it: `422 Unprocessable Entity: slots: Input should be greater than 0`. */
export function statusLine(reply: Reply): string {
  const status = reply.statusText === '' ? `${reply.status}` : `${reply.status} ${reply.statusText}`;
  const detail = detailOf(reply);
  return detail === undefined ? status : `${status}: ${detail}`;
}

/** The reason that a server gives for its answer; undefined if it gives none. */
export function detailOf({ json }: Reply): string | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const { exception_detail, detail } = json as { exception_detail?: unknown; detail?: unknown };
  const reason = exception_detail || detail;
  if (typeof reason === 'string') return reason;
  const problems = Array.isArray(reason) ? reason.flatMap(problemOf) : [];
  return problems.length === 0 ? undefined : problems.join('; ');
}

/** What is wrong with one field of the request. Its path is shown without the `body` that all paths begin with. */
function problemOf(problem: unknown): readonly string[] {
  if (typeof problem !== 'object' || problem === null) return [];
  const { msg, loc } = problem as { msg?: unknown; loc?: unknown };
  if (typeof msg !== 'string') return [];
  const path = Array.isArray(loc) ? loc.slice(loc[0] === 'body' ? 1 : 0) : [];
  return [path.length === 0 ? msg : `${path.join('.')}: ${msg}`];
}

/** `Retry-After` in seconds from now; undefined if it is missing or cannot be read. */
export function retryAfterSeconds({ headers }: Reply): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (!value) return undefined;
  const number = Number(value);
  const seconds = Number.isNaN(number) ? (Date.parse(value) - Date.now()) / 1000 : number;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
