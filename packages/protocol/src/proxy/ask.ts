/** One request over HTTP, on the way that the environment names. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { getProxyForUrl } from 'proxy-from-env';
import { proxyTo } from './proxy.ts';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** `follow`: redirects that keep the method, 307 and 308. */
  readonly redirect: 'manual' | 'follow';
  readonly signal: AbortSignal;
}

/** As `fetch` has them. */
const REDIRECTS_MAX = 20;
const SAME_METHOD_STATUSES: ReadonlySet<number> = new Set([307, 308]);
const EMPTY_STATUSES: ReadonlySet<number> = new Set([204, 205, 304]);

/** Asks as `fetch` would, on the way that the environment names. Throws what `fetch` throws, or the error of the connection. */
export async function ask(url: string, question: Question): Promise<Response> {
  if (getProxyForUrl(url) === '') return fetch(url, question);
  let at = url;
  let { headers = {} } = question;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await askOnce(at, { ...question, headers });
    const location = answer.headers.get('location');
    const isFollowed = question.redirect === 'follow' && SAME_METHOD_STATUSES.has(answer.status) && location !== null;
    if (!isFollowed) return answer;
    if (redirects === REDIRECTS_MAX) throw new Error(`${url} redirects more than ${REDIRECTS_MAX} times`);
    const next = new URL(location, at);
    // Credentials are for the server that they were given for.
    if (next.origin !== new URL(at).origin)
      headers = Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'));
    at = next.href;
  }
}

async function askOnce(url: string, { method, headers, body, signal }: Question): Promise<Response> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { request } = url.startsWith('https:') ? https : http;
  // Of an agent of its own: the global one may have a proxy even for this machine.
  const asked = request(url, { method, headers, signal, agent: proxyTo(url)?.agent ?? false }, resolve);
  asked.once('error', reject);
  asked.end(body);
  const answer = await promise;
  const { statusCode = 0, statusMessage = '', rawHeaders } = answer;
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return new Response(EMPTY_STATUSES.has(statusCode) ? null : Buffer.concat(chunks), {
    status: statusCode,
    statusText: statusMessage,
    headers: rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1] as string]] : [])) as [
      string,
      string,
    ][],
  });
}
