/** What limits a running Prefect server has, read through its API. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandFailure } from '@slotkeeper/terminal';
import { z } from 'zod';

export interface PrefectSource {
  /** Of the API: what Prefect's programs have as `PREFECT_API_URL`. */
  readonly url: string;
  /** Goes before the key. */
  readonly authString?: string | undefined;
  readonly apiKey?: string | undefined;
}

/** A limit as Prefect's API of global limits tells it; those of tags are named `tag:…`. */
export type PrefectLimit = z.infer<typeof pageShape>[number];

/** The most that a stock server gives at once. */
const PAGE_MAX = 200;
const ANSWER_MS_MAX = 60_000;
/** Over SQLite a stock server says 503 whenever two of its parts write at once; Prefect Cloud says 429 to whoever is too quick. */
const BUSY_STATUSES: ReadonlySet<number> = new Set([429, 503]);
const TRIES_MAX = 10;
const BUSY_PAUSE_MS = 500;
const BUSY_PAUSE_MS_MAX = 30_000;

const pageShape = z.array(
  z.object({
    name: z.string(),
    limit: z.number(),
    active: z.boolean(),
    active_slots: z.number(),
    slot_decay_per_second: z.number(),
  }),
);
const csrfShape = z.object({ token: z.string() });

/**
 * All limits, in the order of their names.
 *
 * @throws {CommandFailure} if they cannot be read
 */
export async function readPrefectLimits(source: PrefectSource): Promise<PrefectLimit[]> {
  const headers = { ...authorization(source), 'Content-Type': 'application/json' };
  const csrf = await csrfHeaders(source, headers);
  // By name, since pages shift when limits are made or deleted in between.
  const limits = new Map<string, PrefectLimit>();
  for (let offset = 0; ; offset += PAGE_MAX) {
    const page = await readPage(source, { ...headers, ...csrf }, offset);
    for (const limit of page) limits.set(limit.name, limit);
    if (page.length < PAGE_MAX) return [...limits.values()];
  }
}

async function readPage(source: PrefectSource, headers: Record<string, string>, offset: number) {
  const answer = await ask(source, '/v2/concurrency_limits/filter', {
    method: 'POST',
    headers,
    body: JSON.stringify({ limit: PAGE_MAX, offset }),
  });
  const page = pageShape.safeParse(answer.status === 200 ? await answer.json().catch(() => undefined) : undefined);
  if (page.success) return page.data;
  throw await unreadable(source, answer);
}

/** A server that is protected against forged requests wants its token with every POST, though this one changes nothing. */
async function csrfHeaders(source: PrefectSource, headers: Record<string, string>): Promise<Record<string, string>> {
  const client = randomUUID();
  const answer = await ask(source, `/csrf-token?client=${client}`, { method: 'GET', headers });
  const told = csrfShape.safeParse(answer.ok ? await answer.json().catch(() => undefined) : undefined);
  return told.success ? { 'Prefect-Csrf-Token': told.data.token, 'Prefect-Csrf-Client': client } : {};
}

async function ask({ url }: PrefectSource, path: string, init: RequestInit): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const answer = await fetch(url + path, { ...init, signal }).catch((error: unknown) => {
      throw new CommandFailure(`The Prefect server at ${url} cannot be reached: ${reasonOf(error)}. Is it running?`, {
        cause: error,
      });
    });
    if (!BUSY_STATUSES.has(answer.status) || tries === TRIES_MAX) return answer;
    await answer.body?.cancel();
    await delay(pauseMs(answer));
  }
}

function pauseMs({ headers }: Response): number {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN);
  return seconds >= 0 ? Math.min(seconds * 1000, BUSY_PAUSE_MS_MAX) : BUSY_PAUSE_MS;
}

function authorization({ authString, apiKey }: PrefectSource): Record<string, string> {
  if (authString !== undefined) return { Authorization: `Basic ${Buffer.from(authString).toString('base64')}` };
  return apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` };
}

async function unreadable({ url }: PrefectSource, answer: Response): Promise<CommandFailure> {
  const { status } = answer;
  if (status === 401 || status === 403)
    return new CommandFailure(
      `The Prefect server at ${url} does not let us in (${status}). Give its auth string with --auth-string (PREFECT_API_AUTH_STRING), or its key with --prefect-api-key (PREFECT_API_KEY).`,
    );
  if (BUSY_STATUSES.has(status))
    return new CommandFailure(
      `The Prefect server at ${url} has answered ${status} ${TRIES_MAX} times. Nothing has been changed; run this again when it is less busy.`,
    );
  return new CommandFailure(
    `There is no Prefect API at ${url}: it has answered ${status} to a question for its limits. Give the address that its programs have as PREFECT_API_URL, such as http://127.0.0.1:4200/api.`,
  );
}

/** `fetch` itself only says that it has failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${ANSWER_MS_MAX / 1000} s`;
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}
