/** Detects whether a Slotkeeper server answers at an address, or another kind, such as a Prefect server. */

import { ask } from '@slotkeeper/protocol/proxy';

/** How long a server may take to answer. */
const ANSWER_MS_MAX = 10_000;
const AWAY_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * Asks the server at `origin` which kind it is.
 *
 * @param origin where the server's own paths begin, such as `http://127.0.0.1:4230`, without a slash at its end
 * @returns `slotkeeper` if `GET {origin}/healthz` answers JSON with `"server": "slotkeeper"`; `away` if a proxy says that its
 *   server is not there; `another` if it answers anything else
 * @param answerMsMax how long it may take to answer
 * @throws what `fetch` throws, if nobody answers there in time
 */
export async function detectServer(
  origin: string,
  answerMsMax = ANSWER_MS_MAX,
): Promise<'slotkeeper' | 'away' | 'another'> {
  const signal = AbortSignal.timeout(Math.ceil(answerMsMax));
  const answer = await ask(`${origin}/healthz`, { method: 'GET', redirect: 'follow', signal });
  const body: unknown = await answer.json().catch(() => undefined);
  if (typeof body === 'object' && body !== null && 'server' in body && body.server === 'slotkeeper')
    return 'slotkeeper';
  return AWAY_STATUSES.has(answer.status) ? 'away' : 'another';
}
