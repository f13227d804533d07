/** `slotkeeper limit …`: sets, reads and deletes limits, and pauses or drains them. */

import { SLOTS_MAX } from '@slotkeeper/protocol';
import { printable, table } from '@slotkeeper/terminal';
import { Command, Option } from 'commander';
import type { Keeper, Limit, LimitSpec } from 'slotkeeper';
import { decay, wholeNumber } from './arguments.ts';
import { addClientOptions, type ClientOptions, printAnswer, withKeeper } from './client-call.ts';

export function limitCommand(): Command {
  const limit = new Command('limit').description('limits: set, read, delete, pause, resume, drain');
  limit.addCommand(setCommand());
  limit.addCommand(onOne('get', 'show a limit', (keeper, name) => keeper.limits.get(name)));
  limit.addCommand(listCommand());
  limit.addCommand(deleteCommand());
  limit.addCommand(
    onOne('pause', 'holders keep their slots, all others wait', (keeper, name) => keeper.limits.pause(name)),
  );
  limit.addCommand(onOne('resume', 'go on after pause or drain', (keeper, name) => keeper.limits.resume(name)));
  limit.addCommand(
    onOne('drain', 'let holders finish, refuse all others; ends when nobody holds it', (keeper, name) =>
      keeper.limits.drain(name),
    ),
  );
  return limit;
}

/** A subcommand that takes a limit's name and answers with that limit. */
function onOne(verb: string, description: string, call: (keeper: Keeper, name: string) => Promise<Limit>): Command {
  return addClientOptions(new Command(verb).description(description).argument('<name>', 'the limit')).action(
    async (name: string, options: ClientOptions) => {
      const limit = await withKeeper(options, (keeper) => call(keeper, name));
      printAnswer(options, limit, () => describe(limit));
    },
  );
}

interface SetOptions extends ClientOptions {
  readonly slots?: number;
  readonly rate?: string;
  readonly decay?: number;
  readonly active?: true;
  readonly inactive?: true;
  readonly maxWaiters?: number;
  readonly overtakes?: number;
  readonly description?: string;
}

function setCommand(): Command {
  const command = new Command('set')
    .description('create a limit, or change the given settings of one that exists')
    .argument('<name>', 'the limit')
    .addOption(
      new Option('--slots <n>', 'how many may hold it at once; needed for a new limit').argParser(
        wholeNumber(0, SLOTS_MAX),
      ),
    )
    .addOption(
      new Option('--rate <n/unit>', "how fast its slots come back by themselves: '100/minute'").conflicts('decay'),
    )
    .addOption(new Option('--decay <n>', 'the same, as slots a second; 0: no rate').argParser(decay))
    .addOption(new Option('--active', 'switch it on').conflicts('inactive'))
    .addOption(new Option('--inactive', 'switch it off: it limits nothing, but goes on counting'))
    .addOption(
      new Option('--max-waiters <n>', 'how many may wait; any more are refused').argParser(wholeNumber(0, SLOTS_MAX)),
    )
    .addOption(
      new Option(
        '--overtakes <n>',
        'after so many grants to others the first in the wait queue has its slots reserved',
      ).argParser(wholeNumber(0, SLOTS_MAX)),
    )
    .option('--description <text>', 'what it is for');
  return addClientOptions(command).action(async (name: string, options: SetOptions) => {
    const spec = specOf(options);
    if (Object.keys(spec).length === 0) command.error("error: nothing to set: give at least '--slots <n>'");
    const limit = await withKeeper(options, (keeper) => keeper.limits.set(name, spec));
    printAnswer(options, limit, () => describe(limit));
  });
}

function specOf(options: SetOptions): Partial<LimitSpec> {
  const { slots, rate, maxWaiters, overtakes, description } = options;
  const slotDecayPerSecond = options.decay === 0 ? null : options.decay;
  const active = options.active ? true : options.inactive ? false : undefined;
  const given = Object.entries({ slots, rate, slotDecayPerSecond, active, maxWaiters, overtakes, description });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function listCommand(): Command {
  const command = new Command('ls')
    .description('list the limits')
    .option('--prefix <text>', 'only those whose names begin with this', '');
  return addClientOptions(command).action(async (options: ClientOptions & { readonly prefix: string }) => {
    const limits = await withKeeper(options, (keeper) => all(keeper.limits.list({ prefix: options.prefix })));
    printAnswer(options, limits, () => (limits.length === 0 ? [noLimits(options.prefix)] : limitTable(limits)));
  });
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}

function deleteCommand(): Command {
  const command = new Command('delete')
    .description('delete a limit')
    .argument('<name>', 'the limit')
    .option('--force', 'delete it although it is held: its holders lose their slots and are told so', false);
  return addClientOptions(command).action(
    async (name: string, options: ClientOptions & { readonly force: boolean }) => {
      await withKeeper(options, (keeper) => keeper.limits.delete(name, { force: options.force }));
      printAnswer(options, { name, deleted: true }, () => [`Limit '${printable(name)}' is deleted.`]);
    },
  );
}

function noLimits(prefix: string): string {
  return prefix === ''
    ? 'There are no limits yet: `slotkeeper limit set NAME --slots N` makes one.'
    : `No limit's name begins with '${printable(prefix)}'.`;
}

function limitTable(limits: readonly Limit[]): string[] {
  return table(limits, [
    { title: 'NAME', of: (limit) => limit.name },
    { title: 'SLOTS', of: (limit) => limit.slots },
    { title: 'RATE', of: (limit) => limit.rate ?? '' },
    { title: 'TAKEN', of: (limit) => limit.taken },
    { title: 'FREE', of: (limit) => limit.free },
    { title: 'HOLDERS', of: (limit) => limit.holders },
    { title: 'WAITERS', of: (limit) => limit.waiters },
    { title: 'STATE', of: stateOf },
    { title: 'DESCRIPTION', of: (limit) => limit.description ?? '' },
  ]);
}

function stateOf(limit: Limit): string {
  return limit.active ? limit.mode : limit.mode === 'open' ? 'inactive' : `inactive, ${limit.mode}`;
}

/** A limit by itself: what it is at a glance, then what was set. */
function describe(limit: Limit): string[] {
  const lines: [label: string, value: string | number | null][] = [
    ['slots', `${limit.slots} (${limit.taken} taken, ${limit.free} free)`],
    ['rate', limit.rate],
    ['holders', limit.holders],
    ['waiters', limit.maxWaiters === null ? limit.waiters : `${limit.waiters} (at most ${limit.maxWaiters})`],
    ['state', stateOf(limit)],
    ['overtakes', limit.overtakes],
    ['description', limit.description],
  ];
  return [
    printable(limit.name),
    ...lines.flatMap(([label, value]) =>
      value === null ? [] : [`  ${label.padEnd(11)}  ${printable(String(value))}`],
    ),
  ];
}
