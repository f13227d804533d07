/** `slotkeeper key`: makes keys for the file of `serve --api-keys`. */
import { RIGHTS, type Right } from '@slotkeeper/prefect';
import { Command, InvalidArgumentError, Option } from 'commander';
import { newKey, whyNoName } from '../keys/key-file.ts';
import { notEmpty } from './arguments.ts';
import { printAnswer } from './client-call.ts';

interface NewKeyOptions {
  readonly right: Right;
  readonly prefix?: string;
  readonly json?: true;
}

export function keyCommand(): Command {
  const command = new Command('key').description('make keys for clients');
  command
    .command('new')
    .description('print a new key, and its line for the file of serve --api-keys')
    .argument('<name>', 'whose it is: stands in the journal and the log for all that is done with it', keyName)
    .addOption(
      new Option('--right <right>', 'what it is good for; each right includes those before it')
        .choices(RIGHTS)
        .default('use'),
    )
    .addOption(new Option('--prefix <prefix>', 'only for limits whose names begin so').argParser(notEmpty))
    .option('--json', 'print JSON')
    .action((name: string, options: NewKeyOptions) => {
      const made = newKey(name, options.right, options.prefix ?? '');
      printAnswer(options, made, () => [
        `The key, which is shown this once: ${made.key}`,
        `Its line for the file of serve --api-keys: ${made.line}`,
      ]);
    });
  return command;
}

function keyName(text: string): string {
  const why = whyNoName(text);
  if (why !== undefined) throw new InvalidArgumentError(`It ${why}.`);
  return text;
}
