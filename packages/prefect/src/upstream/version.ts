/** Asks the upstream for its version. In front of a Prefect that is not 3.x, tag limits would silently limit nothing. */
import { authorizationOf, type Credentials } from '@slotkeeper/protocol/prefect';
import type { UpstreamAddress } from './address.ts';

/** With one, `/api` is not found, or is a page of the web interface. */
const BASE_PATH =
  'If it has a PREFECT_SERVER_API_BASE_PATH, its API is there alone: leave that unset, or let it end in /api and give all of it with --upstream (then its web interface is not passed on).';

/** A start does not wait longer for an answer. */
const ANSWER_MS = 3_000;

export type UpstreamVersion =
  /** `problem`: why this server cannot stand in front of it; undefined if it can. */
  | { readonly is: 'known'; readonly version: string; readonly problem: string | undefined }
  /** What is there has no Prefect API below `/api`. */
  | { readonly is: 'elsewhere'; readonly reason: string }
  /** It has answered, but not with a version. */
  | { readonly is: 'unclear'; readonly reason: string }
  /** It did not answer. Check it again when it does. */
  | { readonly is: 'away'; readonly reason: string };

export async function upstreamVersion(
  { origin, prefix }: UpstreamAddress,
  credentials: Credentials,
): Promise<UpstreamVersion> {
  const authorization = authorizationOf(credentials);
  const headers = authorization === undefined ? {} : { authorization };
  const url = `${origin}${prefix}`;
  try {
    const answer = await fetch(`${url}/api/admin/version`, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
    const version = versionIn(await answer.text());
    if (answer.status === 401 || answer.status === 403) return { is: 'unclear', reason: asksForCredentials(url) };
    if (answer.status === 404) return { is: 'elsewhere', reason: noApi(url) };
    if (answer.status !== 200 || version === undefined) return { is: 'unclear', reason: noVersion(url, answer.status) };
    return { is: 'known', version, problem: version.startsWith('3.') ? undefined : notThree(url, version) };
  } catch (error) {
    const cause = (error as Error).cause as { readonly code?: string } | undefined;
    return {
      is: 'away',
      reason: `The Prefect server at ${url} does not answer (${cause?.code ?? (error as Error).name}).`,
    };
  }
}

/** Returns undefined if the text is not a version as JSON. */
function versionIn(text: string): string | undefined {
  const version = /^\s*"(\d+\.[\w.+-]{1,60})"\s*$/.exec(text);
  return version?.[1];
}

function asksForCredentials(url: string): string {
  return `The Prefect server at ${url} asks for credentials. Give this server some with --upstream-auth-string or --upstream-api-key.`;
}

function noVersion(url: string, status: number): string {
  return `Which version the Prefect server at ${url} is cannot be told: it has answered ${status} to /api/admin/version. It must be 3.x. ${BASE_PATH}`;
}

function noApi(url: string): string {
  return `There is no Prefect API at ${url}/api: /admin/version was answered with 404. ${BASE_PATH}`;
}

function notThree(url: string, version: string): string {
  return `The Prefect server at ${url} is version ${version}, and this server can only stand in front of Prefect 3: clients of other versions take slots of tags by calls that it does not answer, so their limits would limit nothing. Upgrade it, or leave --upstream out.`;
}
