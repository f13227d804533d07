/** The limits of a running Prefect server, read through its API. */
import {
  type Answer,
  type Change,
  type Credentials,
  type GlobalLimit,
  NoAnswerError,
  PrefectApi,
  readGlobalLimits,
  readLimitedDeployments,
  UnreadableAnswerError,
} from '@slotkeeper/protocol/prefect';
import { ask } from '@slotkeeper/protocol/proxy';
import { CommandFailure } from '@slotkeeper/terminal';

/** The most that a stock server gives at once. */
const PAGE_MAX = 200;
/** How long a server may go on saying that it is busy. Over SQLite a stock server does so whenever two of its parts write at once. */
const BUSY_MS_MAX = 300_000;
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);

/**
 * All global limits, in the order of their names. The limit of the tag T is the one named `tag:T`.
 *
 * @param url of the API: what Prefect's programs have as `PREFECT_API_URL`
 * @throws {CommandFailure} if they cannot be read
 */
export async function readPrefectLimits(url: string, credentials: Credentials): Promise<GlobalLimit[]> {
  const api = new PrefectApi(url, credentials, undefined, ask);
  // Keyed by name, since pages shift when limits are made or deleted in between.
  const limits = new Map<string, GlobalLimit>();
  for (let offset = 0; ; offset += PAGE_MAX) {
    const page = await readPage(api, offset);
    for (const limit of page) limits.set(limit.name, limit);
    if (page.length < PAGE_MAX) return [...limits.values()];
  }
}

/** The names of the deployments that use a limit, by the limit's name. A server without deployments has none. */
export async function readDeployments(url: string, credentials: Credentials): Promise<Map<string, string[]>> {
  const api = new PrefectApi(url, credentials, undefined, ask);
  const byLimit = new Map<string, string[]>();
  for (let offset = 0; ; offset += PAGE_MAX) {
    const page = { path: '/deployments/filter', body: { limit: PAGE_MAX, offset }, read: readLimitedDeployments };
    const answer = await answerTo(api, page);
    if (answer.status === 404) return byLimit;
    if (answer.value === undefined) throw refused(api.url, answer.status);
    const { all, limited } = answer.value;
    for (const { name, limit } of limited) byLimit.set(limit, [...(byLimit.get(limit) ?? []), name]);
    if (all < PAGE_MAX) return byLimit;
  }
}

async function readPage(api: PrefectApi, offset: number): Promise<readonly GlobalLimit[]> {
  const page = { path: '/v2/concurrency_limits/filter', body: { limit: PAGE_MAX, offset }, read: readGlobalLimits };
  const answer = await answerTo(api, page);
  if (answer.value === undefined) throw refused(api.url, answer.status);
  return answer.value;
}

async function answerTo<T>(api: PrefectApi, page: Change<T>): Promise<Answer<T>> {
  return await api.change(page, { unwanted: AbortSignal.timeout(BUSY_MS_MAX) }).catch((error: unknown) => {
    if (error instanceof UnreadableAnswerError) throw noApi(api.url, 200);
    throw error instanceof NoAnswerError ? unreachable(api.url, error) : error;
  });
}

function unreachable(url: string, cause: NoAnswerError): CommandFailure {
  return new CommandFailure(`The Prefect server at ${url} cannot be reached: ${cause.reason}. Is it running?`, {
    cause,
  });
}

function refused(url: string, status: number): CommandFailure {
  if (status === 401 || status === 403)
    return new CommandFailure(
      `The Prefect server at ${url} does not let us in (${status}). Give its auth string with --auth-string (PREFECT_API_AUTH_STRING), or its key with --prefect-api-key (PREFECT_API_KEY).`,
    );
  if (BUSY_STATUSES.has(status))
    return new CommandFailure(
      `The Prefect server at ${url} is busy, and goes on answering ${status}. Nothing has been changed; run this again when it is less busy.`,
    );
  return noApi(url, status);
}

function noApi(url: string, status: number): CommandFailure {
  return new CommandFailure(
    `There is no Prefect API at ${url}: it has answered ${status} to a question for its limits. Give the address that its programs have as PREFECT_API_URL, such as http://127.0.0.1:4200/api.`,
  );
}
