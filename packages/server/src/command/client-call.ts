/** What all commands that ask a server have in common: where it is, with which key, and in which form its answer is printed. */
import { type Command, Option } from 'commander';
import type { Keeper } from 'slotkeeper';
import { address, notEmpty } from './arguments.ts';
import { EXIT } from './failure.ts';

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

/** Connects, lets `body` ask, and goes away in order. Rejects with the client's error if nobody answers there. */
export async function withKeeper<T>(options: ClientOptions, body: (keeper: Keeper) => Promise<T>): Promise<T> {
  const { connect } = await import('slotkeeper');
  const keeper = await connect(options.url, {
    label: 'slotkeeper command',
    connectTimeoutSeconds: 5,
    ...(options.apiKey === undefined ? {} : { apiKey: options.apiKey }),
  });
  try {
    return await body(keeper);
  } finally {
    await keeper.close();
  }
}

/** Prints `value` as JSON, or the lines that say it to people. */
export function printAnswer(options: ClientOptions, value: unknown, lines: () => readonly string[]): void {
  process.stdout.on('error', endOfReader);
  process.stdout.write(`${options.json ? JSON.stringify(value, null, 2) : lines().join('\n')}\n`);
}

/** `slotkeeper holders | head -1`: whoever read has enough, which is no failure. */
function endOfReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.done);
}
