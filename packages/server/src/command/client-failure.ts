/** What the client says, in the words of the command: its errors tell programs what to call, and here nobody writes one. */

import { CommandFailure, EXIT, shellWord } from '@slotkeeper/terminal';
import type { ErrorDetails, SlotkeeperError } from 'slotkeeper';

/** Something that is never allowed is wrong usage, though only the client or the server has noticed. */
export function commandFailure(error: SlotkeeperError): CommandFailure {
  const exitCode = error.code === 'INVALID_REQUEST' ? EXIT.usage : EXIT.failed;
  return new CommandFailure(words(error), { cause: error, exitCode });
}

function words({ code, message, details }: SlotkeeperError): string {
  const { name, names, holders, address, reason } = details;
  if (code === 'LIMIT_NOT_FOUND' && Array.isArray(names))
    return `There is no limit named ${names.map((each) => `'${each}'`).join(', ')}. Those there are: slotkeeper limit ls. A new one: slotkeeper limit set NAME --slots N.`;
  if (code === 'CONFLICT' && holders !== undefined)
    return `Limit '${name}' is held (holders: ${holders}). Wait for them (slotkeeper limit drain ${shellWord(String(name))}), or delete it with --force: they lose their slots and are told so.`;
  if (code === 'SERVER_UNREACHABLE' && reason !== undefined)
    return `The Slotkeeper server at ${address} cannot be reached: ${reason}. Name another with --url (SLOTKEEPER_URL), or start one (slotkeeper serve).`;
  if (code === 'AUTH' && reason !== undefined)
    return `The Slotkeeper server at ${address} does not let us in: ${reason}. Give its key with --api-key (SLOTKEEPER_API_KEY).`;
  return code === 'INVALID_REQUEST' ? refused(message, details) : message;
}

/** Fields that have an option's name here. */
const OPTIONS: Readonly<Record<string, string>> = {
  url: '--url',
  apiKey: '--api-key',
  'spec.description': '--description',
};

function refused(message: string, { name, field, reason }: ErrorDetails): string {
  if (field === 'slots' && name !== undefined)
    return `Limit '${name}' does not exist yet: to create it, give its slots (--slots N).`;
  return typeof field === 'string' && reason !== undefined ? `${OPTIONS[field] ?? field} ${reason}.` : message;
}
