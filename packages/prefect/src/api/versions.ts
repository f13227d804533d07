/** Which version of Prefect this server behaves like, and which clients it accepts. */
import { PrefectError } from './answers.ts';

/** Sent to clients, which compare its major version with their own. */
export const PREFECT_VERSION = '3.8.8';
/** The newest client that the tests run against this server. */
const NEWEST_CLIENT = [3, 9, 1] as const;
const CLIENT = /^prefect\/(3\.(\d{1,3})\.(\d{1,3})[\w.+-]{0,40})(?: |$)/;

/** The version of Prefect that the server names to a client with this `User-Agent`. */
export type ToldVersion = (userAgent: string | undefined) => string;

/** @param fixed the version for all clients; undefined: one that suits each client */
export function toldVersion(fixed: string | undefined): ToldVersion {
  return fixed === undefined ? versionFor : () => fixed;
}

/**
 * The client's own version, if it is known to work with this server, since a client warns of a server that is older than
 * itself. For any other client `PREFECT_VERSION`.
 */
function versionFor(userAgent: string | undefined): string {
  const [, version, minor, patch] = CLIENT.exec(userAgent ?? '') ?? [];
  if (version === undefined) return PREFECT_VERSION;
  const [, newestMinor, newestPatch] = NEWEST_CLIENT;
  const isKnown = Number(minor) < newestMinor || (Number(minor) === newestMinor && Number(patch) <= newestPatch);
  return isKnown ? version : PREFECT_VERSION;
}

/** From 3.9 on a Prefect server refuses an increment or a decrement of v2 that names nothing. */
export function refusesNoNames(version: string): boolean {
  const [, minor = ''] = /^3\.(\d+)\./.exec(version) ?? [];
  return Number(minor) >= 9;
}

const OLDEST_API_VERSION = [0, 8, 0] as const;

// A stock server reads each component with Python's int(): this accepts exactly the same texts.
const COMPONENT = /^\s*[+-]?\d+(_\d+)*\s*$/;

/** Throws a `PrefectError` for an `X-PREFECT-API-VERSION` that is malformed or too old. The header may be missing. */
export function checkApiVersion(header: string | undefined): void {
  if (!header) return;
  const components = header.split('.');
  if (components.length !== 3 || !components.every((component) => COMPONENT.test(component))) {
    throw new PrefectError(400, {
      detail: `Invalid X-PREFECT-API-VERSION header format.Expected header in format 'x.y.z' but received ${header}`,
    });
  }
  if (isOlder(components.map((component) => Number(component.replaceAll('_', ''))))) {
    throw new PrefectError(400, {
      detail: `The request specified API version ${header} but this server requires version ${OLDEST_API_VERSION.join('.')} or higher.`,
    });
  }
}

function isOlder(version: readonly number[]): boolean {
  for (const [i, oldest] of OLDEST_API_VERSION.entries()) {
    if (version[i] !== oldest) return version[i]! < oldest;
  }
  return false;
}
