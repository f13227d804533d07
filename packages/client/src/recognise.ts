/** Tells a Slotkeeper server from any other that answers at an address: a Prefect server, say. */

/** How long a server may take to say what it is. */
const ANSWER_MS_MAX = 10_000;

/**
 * Asks the server at `origin` whether it is Slotkeeper.
 *
 * @param origin where the server's own paths begin, such as `http://127.0.0.1:4230`, without a slash at its end
 * @returns true if `GET {origin}/healthz` answers JSON with `"server": "slotkeeper"`; false if it answers anything else
 * @param answerMsMax how long it may take to answer
 * @throws what `fetch` throws, if nobody answers there in time
 */
export async function isSlotkeeper(origin: string, answerMsMax = ANSWER_MS_MAX): Promise<boolean> {
  const answer = await fetch(`${origin}/healthz`, { signal: AbortSignal.timeout(Math.ceil(answerMsMax)) });
  const body: unknown = await answer.json().catch(() => undefined);
  return typeof body === 'object' && body !== null && 'server' in body && body.server === 'slotkeeper';
}
