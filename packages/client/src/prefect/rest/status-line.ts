/** A refusal in a line, as Prefect's client tells it: `422 Unprocessable Entity: slots: Input should be greater than 0`. */
import { jsonOf, type Reply } from './prefect-api.ts';

export function statusLine(reply: Reply): string {
  const status = reply.statusText === '' ? `${reply.status}` : `${reply.status} ${reply.statusText}`;
  const reasons = reasonsOf(jsonOf(reply));
  return reasons.length === 0 ? status : `${status}: ${reasons.join('; ')}`;
}

function reasonsOf(body: unknown): readonly string[] {
  if (typeof body !== 'object' || body === null) return [];
  const { exception_detail, detail } = body as { exception_detail?: unknown; detail?: unknown };
  const told = exception_detail || detail;
  if (typeof told === 'string') return [told];
  return Array.isArray(told) ? told.flatMap(reasonOf) : [];
}

/** Of one field of the request: where it is, without the `body` that all have in common, and what is wrong with it. */
function reasonOf(problem: unknown): readonly string[] {
  if (typeof problem !== 'object' || problem === null) return [];
  const { msg, loc } = problem as { msg?: unknown; loc?: unknown };
  if (typeof msg !== 'string') return [];
  const path = Array.isArray(loc) ? loc.slice(loc[0] === 'body' ? 1 : 0) : [];
  return [path.length === 0 ? msg : `${path.join('.')}: ${msg}`];
}
