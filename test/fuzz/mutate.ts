/**
 * JSON that is nearly right: a valid value of which one to three parts are dropped, doubled, swapped, of another type, far too
 * great, too deep or too long; then, rarely, text that is no JSON any more.
 */
import type { Random } from '../random.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What JSON can say and `JSON.stringify` cannot; a placeholder stands in for it. */
const RAW = [
  '1e999',
  '-1e999',
  '1e-999',
  '-0',
  '9007199254740993',
  '123456789012345678901234567890',
  '1.0',
  '1E2',
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
];
const PLACEHOLDER = /"#raw (\d+)#"/g;

const NUMBERS = [
  0,
  1,
  -1,
  2,
  0.5,
  -0.5,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  1e21,
  1e308,
  5e-324,
];
const TEXTS = [
  '',
  ' ',
  '0',
  'null',
  'NaN',
  'Infinity',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff tail',
  '\ufeff',
  '\u202e',
  '../../etc',
  '%zz',
  '<script>',
  '💥'.repeat(20),
  'x'.repeat(255),
  'x'.repeat(256),
  'é'.repeat(10_000),
];

/** A value of any type, for where another was expected. */
export function anything(random: Random): Json {
  switch (random.integer(0, 9)) {
    case 0:
      return null;
    case 1:
      return random.next() < 0.5;
    case 2:
      return random.pick(NUMBERS);
    case 3:
      return `#raw ${random.integer(0, RAW.length - 1)}#`;
    case 4:
    case 5:
      return random.pick(TEXTS);
    case 6:
      return Array.from({ length: random.integer(0, 3) }, () => random.pick<Json>([...TEXTS, ...NUMBERS]));
    case 7:
      return strangeObject(random);
    case 8:
      return deep(random, random.pick([5, 99, 101, 400]));
    default:
      return Array.from({ length: random.pick([64, 65, 3_000]) }, (_, i) => [`n${i}`, 1]);
  }
}

/** With keys that objects already have, as own ones. */
function strangeObject(random: Random): Json {
  const value = JSON.stringify(random.pick<Json>([1, null, 'x', { slots: 3 }, []]));
  const key = random.pick(['__proto__', 'constructor', 'toString', '', 'slots', 'type', '0', 'length', '\ud800']);
  return JSON.parse(`{${JSON.stringify(key)}:${value},"slots":${random.integer(0, 4)}}`) as Json;
}

function deep(random: Random, levels: number): Json {
  let value: Json = 1;
  const isList = random.next() < 0.5;
  for (let i = 0; i < levels; i++) value = isList ? [value] : { a: value };
  return value;
}

/** A copy of `value` with one to three parts changed. */
export function mutated(random: Random, value: Json): Json {
  const root: Json[] = [structuredClone(value)];
  for (let changes = random.pick([1, 1, 1, 2, 3]); changes > 0; changes--) changeOne(random, root);
  return root[0] ?? null;
}

type Slot = { readonly parent: Json[] | { [key: string]: Json }; readonly key: string };

function changeOne(random: Random, root: Json[]): void {
  const slots: Slot[] = [];
  collect(root, slots);
  if (slots.length === 0) return;
  const slot = random.pick(slots);
  const { parent, key } = slot;
  const other = random.pick(slots);
  const value = read(slot);
  switch (random.integer(0, 8)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete parent[key];
      return;
    case 1:
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(value));
      else write(parent, `${key}2`, structuredClone(value));
      return;
    case 2: {
      const copy = structuredClone(read(other));
      write(other.parent, other.key, structuredClone(value));
      write(parent, key, copy);
      return;
    }
    case 3:
      write(parent, key, [value]);
      return;
    case 4:
      if (Array.isArray(parent)) parent.push(anything(random));
      else write(parent, random.pick(TEXTS), anything(random));
      return;
    case 5:
      if (typeof value === 'number') {
        write(parent, key, value + random.pick([-1, 1, 0.5, 2 ** 31, -value, -2 * value]));
        return;
      }
      if (typeof value === 'string') {
        write(parent, key, value.slice(random.integer(0, value.length)) + random.pick(TEXTS));
        return;
      }
      write(parent, key, anything(random));
      return;
    default:
      write(parent, key, anything(random));
  }
}

/** Every place of a value, to no great depth. */
function collect(parent: Json[] | { [key: string]: Json }, slots: Slot[], depth = 0): void {
  if (depth > 6) return;
  for (const key of Object.keys(parent).slice(0, 20)) {
    const slot = { parent, key };
    slots.push(slot);
    const value = read(slot);
    if (typeof value === 'object' && value !== null) collect(value, slots, depth + 1);
  }
}

function read({ parent, key }: Slot): Json {
  return (Object.hasOwn(parent, key) ? Reflect.get(parent, key) : null) as Json;
}

/** Also the key `__proto__` becomes an own one. */
function write(parent: Json[] | { [key: string]: Json }, key: string, value: Json): void {
  Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
}

export function toText(value: Json): string {
  return JSON.stringify(value).replace(PLACEHOLDER, (_, i: string) => RAW[Number(i)] as string);
}

/** Text with a bit of damage: cut short, with a character changed, or with something before, after or within it. */
export function damagedText(random: Random, text: string): string {
  const at = random.integer(0, text.length);
  switch (random.integer(0, 5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return `${text.slice(0, at)}${random.pick([...TEXTS, '"', '[', '}', ',', '\\', '\\ud800', '\n', '1e999'])}${text.slice(at)}`;
    case 2:
      return text.slice(0, at) + String.fromCharCode(random.integer(0, 0xffff)) + text.slice(at + 1);
    case 3:
      return text + text;
    case 4:
      return '['.repeat(random.pick([10, 10_000, 200_000]));
    default:
      return random.pick([
        '',
        ' ',
        'null',
        '0',
        '{}',
        '[]',
        '"',
        '[[]]',
        '[1e999]',
        '[1,["h"]]',
        '\ufeff[1]',
        'x'.repeat(100_000),
      ]);
  }
}
