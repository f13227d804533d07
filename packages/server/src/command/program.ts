/** The `slotkeeper` command as a whole: its subcommands, and its exit codes. */

import { CommandFailure, EXIT, Interrupted, sentence } from '@slotkeeper/terminal';
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.ts';
import { holdersCommand, waitersCommand } from './holders-and-waiters.ts';
import { importCommand } from './import.ts';
import { keyCommand } from './key.ts';
import { limitCommand } from './limit.ts';
import { serveCommand } from './serve.ts';

/** Runs one command line, as in `process.argv`. Resolves to the exit code, once everything is printed. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv);
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`${sentence(error)}\n`);
    if (error instanceof CommandFailure) return error.exitCode;
    return error instanceof Interrupted ? EXIT.interrupted : EXIT.failed;
  }
}

export function program(): Command {
  const program = new Command('slotkeeper')
    .description('At most N at once, across any number of processes and machines.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('Run it with --help to see how it is used.');
  const commands = [
    serveCommand(),
    demoCommand(),
    limitCommand(),
    holdersCommand(),
    waitersCommand(),
    importCommand(),
    keyCommand(),
  ];
  for (const command of commands) {
    inherit(program, command);
    program.addCommand(command);
  }
  return program;
}

/** `addCommand` does not pass a parent's settings on to a ready-made command. */
function inherit(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(command, child);
}

function demoCommand(): Command {
  return new Command('demo')
    .description('watch twelve processes share three slots, a killed holder and a killed server included')
    .action(async () => {
      const { runDemo } = await import('@slotkeeper/demo');
      await runDemo(process.argv[1]!);
    });
}
