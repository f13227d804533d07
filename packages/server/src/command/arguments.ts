/** Values as they are typed on the command line; a wrong one is wrong usage (exit code 2). */
import { DECAY_MIN, SLOTS_MAX } from '@slotkeeper/protocol';
import { InvalidArgumentError } from 'commander';

/** A parser of whole numbers from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** A parser of sizes of `min` bytes or more, such as 1048576, 512MiB or 1GiB. */
export function byteCount(min: number): (text: string) => number {
  return (text) => {
    const [, digits, unit = ''] = /^(\d+)(KiB|MiB|GiB)?$/.exec(text) ?? [];
    const value = Number(digits) * (UNITS[unit] as number);
    if (!Number.isSafeInteger(value) || value < min) {
      throw new InvalidArgumentError(`It must be a size of ${sizeText(min)} or more, such as 512MiB or 1GiB.`);
    }
    return value;
  };
}

/** In the largest unit of which it is a whole number: `512MiB`. */
export function sizeText(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => bytes % size === 0) as [string, number];
  return `${bytes / size}${unit}`;
}

/** Slots a second; 0: none. */
export function decay(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value === 0 || (value >= DECAY_MIN && value <= SLOTS_MAX))) {
    throw new InvalidArgumentError(`It must be 0, or a number from ${DECAY_MIN} to ${SLOTS_MAX}.`);
  }
  return value;
}

export function address(text: string): string {
  if (!URL.canParse(text)) throw new InvalidArgumentError('It must be an address such as http://127.0.0.1:4230.');
  return text;
}

export function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}
