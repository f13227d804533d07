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
