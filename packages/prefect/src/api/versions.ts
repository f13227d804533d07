/** Which Prefect this server speaks like, and which clients it takes. */
import { PrefectError } from './answers.ts';

/** Told to clients, which compare its major version with their own. */
export const PREFECT_VERSION = '3.8.8';
const OLDEST_API_VERSION = [0, 8, 0] as const;

// A component is what Python's int() takes: the check of a stock server, to the letter.
const COMPONENT = /^\s*[+-]?\d+(_\d+)*\s*$/;

/** Throws a `PrefectError` for an `X-PREFECT-API-VERSION` that is malformed or too old. None at all is fine. */
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
