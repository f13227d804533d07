/** How every command that asks a server finds it, shows its key, and prints the answer. */

import { EXIT, printable } from '@slotkeeper/terminal';
import { type Command, Option } from 'commander';
import type { Keeper } from 'slotkeeper';
import { address, notEmpty } from './arguments.ts';
import { commandFailure } from './client-failure.ts';

export interface ClientOptions {
  readonly url: string;
  readonly apiKey?: string;
  readonly json?: true;
}

export function addClientOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'the server').env('SLOTKEEPER_URL').default('http://127.0.0.1:4230').argParser(address),
    )
    .addOption(
      new Option('--api-key <key>', "the server's key, if it has one").env('SLOTKEEPER_API_KEY').argParser(notEmpty),
    )
    .option('--json', 'print JSON');
}

/** Connects, lets `body` ask, and disconnects. Rejects with a `CommandFailure` where the client rejects. */
export async function withKeeper<T>(options: ClientOptions, body: (keeper: Keeper) => Promise<T>): Promise<T> {
  const { connect, SlotkeeperError } = await import('slotkeeper');
  try {
    await using keeper = await connect(options.url, {
      label: 'slotkeeper command',
      connectTimeoutSeconds: 5,
      apiKey: options.apiKey,
      onWarning: ({ code, message, details: { address, reason, leftSeconds } }) => {
        const words =
          code === 'NOT_CONNECTED'
            ? `Nobody listens at ${address} (${reason}). Asking for ${leftSeconds} s more; --url (SLOTKEEPER_URL) names another server.`
            : message;
        process.stderr.write(`${printable(words)}\n`);
      },
    });
    return await body(keeper);
  } catch (error) {
    throw SlotkeeperError.is(error) ? commandFailure(error) : error;
  }
}

/** Prints `value` as JSON, or `lines` for people. */
export function printAnswer(
  options: Pick<ClientOptions, 'json'>,
  value: unknown,
  lines: () => readonly string[],
): void {
  process.stdout.on('error', endOfOutput);
  process.stdout.write(`${options.json ? JSON.stringify(value, null, 2) : lines().join('\n')}\n`);
}

/** A reader that has enough (`slotkeeper holders | head -1`) is no failure. A full disk is one. */
function endOfOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  process.stderr.write(`The answer could not be written to stdout: ${error.message}.\n`);
  process.exit(EXIT.failed);
}
