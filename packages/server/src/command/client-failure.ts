/** The client's errors in the command's words: the client's own say what to call, the command's say what to type. */
import { CommandFailure, EXIT, shellWord } from '@slotkeeper/terminal';
import type { ErrorDetails, SlotkeeperError } from 'slotkeeper';

/** An invalid request is wrong usage (exit code 2), also if only the client or the server has detected it. */
export function commandFailure(error: SlotkeeperError): CommandFailure {
  const exitCode = error.code === 'INVALID_REQUEST' ? EXIT.usage : EXIT.failed;
  return new CommandFailure(WORDS[error.code]?.(error.details) ?? error.message, { cause: error, exitCode });
}

/** What a command can meet: the facts, and what to type. Undefined: these details are of another case. */
const WORDS: { readonly [C in SlotkeeperError['code']]?: (details: ErrorDetails) => string | undefined } = {
  LIMIT_NOT_FOUND: ({ names }) =>
    Array.isArray(names)
      ? `There is no limit named ${names.map((name) => `'${name}'`).join(', ')}. Those there are: slotkeeper limit ls. A new one: slotkeeper limit set NAME --slots N.`
      : undefined,
  CONFLICT: ({ name, holders, mode }) => {
    const drain = `slotkeeper limit drain ${shellWord(String(name))}`;
    if (holders !== undefined)
      return `Limit '${name}' is held (holders: ${holders}). Wait for them (${drain}), or delete it with --force: they lose their slots and are told so.`;
    if (mode === 'open')
      return `Limit '${name}' was resumed before its last holder had left. Drain it again to wait for that: ${drain}.`;
    return undefined;
  },
  SERVER_UNREACHABLE: ({ address, reason, isThere }) =>
    reason === undefined || isThere
      ? undefined
      : `The Slotkeeper server at ${address} cannot be reached: ${reason}. Name another with --url (SLOTKEEPER_URL), or start one (slotkeeper serve).`,
  AUTH: ({ address, reason }) =>
    reason === undefined
      ? undefined
      : `The Slotkeeper server at ${address} does not let us in: ${reason}. Give its key with --api-key (SLOTKEEPER_API_KEY).`,
  INVALID_REQUEST: ({ name, field, reason }) => {
    if (field === 'slots' && name !== undefined)
      return `Limit '${name}' does not exist yet. Give its slots to create it: slotkeeper limit set ${shellWord(String(name))} --slots N.`;
    return typeof field === 'string' && reason !== undefined ? `${OPTIONS[field] ?? field} ${reason}.` : undefined;
  },
};

/** Fields that have an option's name here. */
const OPTIONS: Readonly<Record<string, string>> = {
  // The default may come from SLOTKEEPER_URL.
  url: 'The address of --url (SLOTKEEPER_URL)',
  apiKey: '--api-key',
  'spec.slots': '--slots',
  'spec.rate': '--rate',
  'spec.slotDecayPerSecond': '--decay',
  'spec.maxWaiters': '--max-waiters',
  'spec.overtakes': '--overtakes',
  'spec.description': '--description',
};
