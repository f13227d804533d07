/** `slotkeeper import prefect`: copies the limits of a running Prefect server to ours. */

import { isLoopback } from '@slotkeeper/protocol';
import type { GlobalLimit } from '@slotkeeper/protocol/prefect';
import { CommandFailure, printable, table } from '@slotkeeper/terminal';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Keeper, Limit } from 'slotkeeper';
import { notEmpty } from './arguments.ts';
import { addClientOptions, type ClientOptions, printAnswer, withKeeper } from './client-call.ts';
import { readDeployments, readPrefectLimits } from './prefect-source.ts';

/** The settings that are taken over. */
type Settings = Pick<Limit, 'slots' | 'slotDecayPerSecond' | 'active'>;

/** The result for one of the Prefect server's limits. */
interface Imported extends Settings {
  readonly name: string;
  readonly outcome: 'created' | 'updated' | 'unchanged' | 'refused' | 'left-out';
  /** Our limit's settings before; null unless updated. */
  readonly before: Settings | null;
  /** Why it is not taken over; null unless refused or left out. */
  readonly reason: string | null;
  /** Slots in use there. They are not taken over. */
  readonly inUse: number;
  /** Deployments there whose runs take its slots there. */
  readonly deployments: readonly string[];
}

type TakenOver = Omit<Imported, 'deployments'>;

/** A Prefect server makes them for its deployments, and takes their slots by itself: nobody would ask for them here. */
const OF_A_DEPLOYMENT = /^deployment:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const THEIR_SERVERS_OWN = 'it is of a deployment, whose runs the Prefect server limits by itself';

interface ImportOptions extends ClientOptions {
  readonly authString?: string;
  readonly prefectApiKey?: string;
}

export function importCommand(): Command {
  return new Command('import').description('take over limits from another system').addCommand(prefectCommand());
}

function prefectCommand(): Command {
  const command = new Command('prefect')
    .description('take over the limits of a running Prefect server; may be run again')
    .argument('<url>', "its API, what Prefect's programs have as PREFECT_API_URL", apiAddress)
    .addOption(
      new Option('--auth-string <user:pass>', 'its auth string, if it has one')
        .env('PREFECT_API_AUTH_STRING')
        .argParser(notEmpty),
    )
    .addOption(
      new Option('--prefect-api-key <key>', 'its key, if it has one').env('PREFECT_API_KEY').argParser(notEmpty),
    );
  return addClientOptions(command).action(async (url: string, options: ImportOptions) => {
    if (placeOf(url) === placeOf(options.url)) {
      // Whether that is a Slotkeeper or a Prefect server shows as it is connected to.
      await withKeeper(options, () => Promise.reject(new CommandFailure(ownAddress(url, options.url))));
    }
    const theirs = await readPrefectLimits(url, { authString: options.authString, apiKey: options.prefectApiKey });
    const deployments = await readDeployments(url, { authString: options.authString, apiKey: options.prefectApiKey });
    const imported = (await withKeeper(options, (keeper) => takeOver(keeper, theirs))).map((limit) => ({
      ...limit,
      deployments: deployments.get(limit.name) ?? [],
    }));
    printAnswer(options, imported, () => [...importTable(imported), ...summary(imported)]);
    const refused = imported.filter(({ outcome }) => outcome === 'refused').length;
    if (refused > 0) throw new CommandFailure(`${counted(refused, 'limit')} could not be taken over.`);
  });
}

/** The API's address; that of a bare server gets `/api`. Credentials have options of their own: `fetch` takes none in an address. */
function apiAddress(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new InvalidArgumentError('It must be an address such as http://127.0.0.1:4200/api, without credentials.');
  return url.pathname === '/' ? `${url.origin}/api` : `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** Where a server is. All names of this machine are one place: another of them leads to the same server. */
function placeOf(url: string): string {
  const { protocol, hostname, port, pathname } = new URL(url);
  const host = isLoopback(hostname) ? 'localhost' : hostname;
  return `${protocol}//${host}:${port}${pathname.replace(/\/+$/, '').replace(/\/api$/, '')}`;
}

function ownAddress(url: string, ours: string): string {
  return `${url} is the Slotkeeper server at ${ours} itself, which has its own limits already. Give the address of the Prefect server, the one that --upstream names or that its programs had as PREFECT_API_URL before.`;
}

async function takeOver(keeper: Keeper, theirs: readonly GlobalLimit[]): Promise<TakenOver[]> {
  const ours = new Map<string, Limit>();
  for await (const limit of keeper.limits.list()) ours.set(limit.name, limit);
  const imported: TakenOver[] = [];
  for (const limit of theirs) imported.push(await takeOverOne(keeper, limit, ours.get(limit.name)));
  return imported;
}

/** Gives our limit their settings. Those that a Prefect limit does not have (a description, `maxWaiters`) stay as they are. */
async function takeOverOne(keeper: Keeper, limit: GlobalLimit, ours: Limit | undefined): Promise<TakenOver> {
  const { name, active_slots: inUse } = limit;
  const settings = settingsOf(limit);
  const theirs = { name, ...settings, inUse, before: null, reason: null };
  if (OF_A_DEPLOYMENT.test(name)) return { ...theirs, outcome: 'left-out', reason: THEIR_SERVERS_OWN };
  if (ours !== undefined && isAs(ours, settings)) return { ...theirs, outcome: 'unchanged' };
  const reason = await refusal(keeper.limits.set(name, settings));
  if (reason !== undefined) return { ...theirs, outcome: 'refused', reason };
  if (ours === undefined) return { ...theirs, outcome: 'created' };
  const { slots, slotDecayPerSecond, active } = ours;
  return { ...theirs, outcome: 'updated', before: { slots, slotDecayPerSecond, active } };
}

function settingsOf({ limit, slot_decay_per_second: decay, active }: GlobalLimit): Settings {
  return { slots: limit, slotDecayPerSecond: decay === 0 ? null : decay, active };
}

function isAs(ours: Limit, { slots, slotDecayPerSecond, active }: Settings): boolean {
  return ours.slots === slots && ours.slotDecayPerSecond === slotDecayPerSecond && ours.active === active;
}

/** Why this limit cannot be set; rejects if the reason is not the limit itself. */
async function refusal(setting: Promise<Limit>): Promise<string | undefined> {
  const { SlotkeeperError } = await import('slotkeeper');
  try {
    await setting;
    return undefined;
  } catch (error) {
    if (!SlotkeeperError.is(error, 'INVALID_REQUEST')) throw error;
    const { field, reason } = error.details;
    return typeof field === 'string' ? `${field.replace(/^spec\./, '')} ${reason}` : error.message;
  }
}

function importTable(imported: readonly Imported[]): string[] {
  if (imported.length === 0) return ['There are no limits.'];
  return table(imported, [
    { title: 'NAME', of: (row) => row.name },
    { title: 'SLOTS', of: (row) => row.slots },
    { title: 'DECAY', of: (row) => decayText(row.slotDecayPerSecond) },
    { title: 'STATE', of: (row) => stateText(row.active) },
    { title: 'IN USE THERE', of: (row) => row.inUse },
    { title: 'HERE', of: outcomeText },
  ]);
}

function outcomeText({ outcome, before, reason, ...now }: Imported): string {
  if (outcome === 'unchanged') return 'is the same already';
  if (outcome === 'refused' || outcome === 'left-out') return `left out: ${reason}`;
  return before === null ? outcome : `updated, was ${differences(before, now).join(', ')}`;
}

function differences(before: Settings, now: Settings): string[] {
  const was: string[] = [];
  if (before.slots !== now.slots) was.push(counted(before.slots, 'slot'));
  if (before.slotDecayPerSecond !== now.slotDecayPerSecond)
    was.push(before.slotDecayPerSecond === null ? 'without decay' : decayText(before.slotDecayPerSecond));
  if (before.active !== now.active) was.push(stateText(before.active));
  return was;
}

function decayText(slotDecayPerSecond: number | null): string {
  return slotDecayPerSecond === null ? '' : `${slotDecayPerSecond}/s`;
}

function stateText(active: boolean): string {
  return active ? 'active' : 'inactive';
}

function summary(imported: readonly Imported[]): string[] {
  const count = (outcome: Imported['outcome']) => imported.filter((each) => each.outcome === outcome).length;
  const counts = [
    `${count('created')} created`,
    `${count('updated')} updated`,
    `${count('unchanged')} unchanged`,
    `${count('refused') + count('left-out')} left out`,
  ];
  const inUse = imported
    .filter((each) => each.inUse > 0 && each.outcome !== 'left-out')
    .map(({ name }) => `'${printable(name)}'`);
  return [
    '',
    `${counted(imported.length, 'limit')} there: ${counts.join(', ')}.`,
    ...imported.filter((each) => each.deployments.length > 0 && each.outcome !== 'left-out').map(sharedText),
    ...(inUse.length === 0 ? [] : [`Slots in use there are not taken over, here they are free: ${inUse.join(', ')}.`]),
  ];
}

/** The Prefect server takes slots for a deployment's runs by itself, so there are two counts of one limit. */
function sharedText({ name, deployments }: Imported): string {
  const whose = deployments.map((deployment) => `'${printable(deployment)}'`).join(', ');
  return `'${printable(name)}' also limits runs of deployments (${whose}): they take its slots there, programs take them here, and together they may be above it.`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
