/** Every option, variable, command and method that a text of ours names exists. The texts are all that the sources say. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { LimitCatalog } from '../packages/client/src/limits.ts';
import { program } from '../packages/server/src/command/program.ts';

const PACKAGES = join(import.meta.dirname, '../packages');

const sources = readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' })
  .filter((file) => /^[a-z]+\/src\/.*\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(join(PACKAGES, file), 'utf8') }));

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)];
}

const commands = commandsOf(program());
const options = new Set(commands.flatMap((each) => each.options.map(({ long }) => long)));
const variables = new Set(commands.flatMap((each) => each.options.map(({ envVar }) => envVar)));
/** Commander's own, and one of Prefect's command. */
const OTHERS = ['--help', '--version', '--active-slots'];

function named(pattern: RegExp): { readonly file: string; readonly name: string }[] {
  return sources.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(([, name = '']) => ({ file, name })));
}

/** What is named and is not there, as `file: name`. */
function missing(pattern: RegExp, isThere: (name: string) => boolean): string[] {
  const found = named(pattern);
  expect(found.length).toBeGreaterThan(2);
  return found.filter(({ name }) => !isThere(name)).map(({ file, name }) => `${file}: ${name}`);
}

describe('what the texts name', () => {
  it('every option is one of a command', () => {
    // A name that is made of parts is not looked at: `--max-…`.
    const pattern = /(?<![\w-])(--[a-z][a-z\d-]*[a-z\d])(?![a-z\d-])/g;
    expect(missing(pattern, (name) => options.has(name) || OTHERS.includes(name))).toEqual([]);
  });

  it('every variable is that of an option, or is read', () => {
    const read = new Set(named(/process\.env\.(SLOTKEEPER_\w+)/g).map(({ name }) => name));
    const isThere = (name: string): boolean => variables.has(name) || read.has(name);
    expect(missing(/\b(SLOTKEEPER_[A-Z\d_]*[A-Z\d])(?![A-Z\d_])/g, isThere)).toEqual([]);
  });

  it('every command is one', () => {
    const names = new Set(commands.map((each) => each.name()));
    // Where it is to be typed: after a bracket, a colon or an 'or'.
    const pattern = /(?:\(|: `?|or )slotkeeper ([a-z]+)\b/g;
    expect(missing(pattern, (name) => names.has(name))).toEqual([]);
  });

  it('every method of limits is one', () => {
    const methods = Object.getOwnPropertyNames(LimitCatalog.prototype);
    expect(missing(/\(limits\.([a-z]+)[),][ ,.]/g, (name) => methods.includes(name))).toEqual([]);
  });
});
