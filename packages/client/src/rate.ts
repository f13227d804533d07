/** Rates as people write them, `100/minute`, and as the server counts them, in slots a second. */
import { type LimitSpec, limitSpec, newLimit } from '@slotkeeper/protocol';
import { type Check, seen } from '@slotkeeper/shape';

const UNIT_SECONDS = { second: 1, minute: 60, hour: 3_600, day: 86_400 } as const;
type Unit = keyof typeof UNIT_SECONDS;
const ABBREVIATIONS: Readonly<Record<string, Unit>> = {
  s: 'second',
  sec: 'second',
  m: 'minute',
  min: 'minute',
  h: 'hour',
  d: 'day',
};

/** `100/minute`, `0.5/second`, `10/h` */
const RATE = /^(?<slots>\d+(?:\.\d+)?)\/(?<unit>second|minute|hour|day|s|sec|m|min|h|d)$/;

/** A limit's settings as users give them. */
interface Settings {
  readonly rate?: string | undefined;
  readonly slotDecayPerSecond?: number | null | undefined;
}

const SETTINGS: readonly string[] = [...Object.keys(limitSpec.fields), 'rate'];

const checkRate: Check = (rate, field) =>
  typeof rate === 'string' && slotsPerSecond(rate) > 0
    ? undefined
    : { field, reason: `must be as '100/minute' (second, minute, hour or day), above 0, but was ${seen(rate)}` };

/** Settings to change: any of them, a rate as `rate` or as `slotDecayPerSecond`. */
export const checkSpec: Check = rated(limitSpec.check);

/** Settings of a limit that is to be created: `slots` are needed. */
export const checkNewSpec: Check = rated(newLimit.check);

function rated(check: Check): Check {
  return (spec, field) => {
    if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return check(spec, field);
    const unknown = Object.keys(spec).find((name) => !SETTINGS.includes(name));
    if (unknown !== undefined)
      return { field: `${field}.${unknown}`, reason: `is unknown here; there are ${SETTINGS.join(', ')}` };
    const { rate, slotDecayPerSecond } = spec as Settings;
    if (rate === undefined) return check(wireSpec(spec), field);
    if (slotDecayPerSecond !== undefined)
      return { field: `${field}.rate`, reason: 'and slotDecayPerSecond say the same thing: give one of them' };
    return checkRate(rate, `${field}.rate`) ?? check(wireSpec(spec), field);
  };
}

/** As it goes to the server: without the fields that are there but undefined. */
export function wireSpec({ rate, ...rest }: Settings): LimitSpec {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return rate === undefined ? given : { ...given, slotDecayPerSecond: slotsPerSecond(rate) };
}

function slotsPerSecond(rate: string): number {
  const { slots, unit } = RATE.exec(rate)?.groups ?? {};
  if (slots === undefined || unit === undefined) return Number.NaN;
  return Number(slots) / UNIT_SECONDS[ABBREVIATIONS[unit] ?? (unit as Unit)];
}

/** In the shortest unit in which it is a whole number, if there is one. */
export function rateText(slotDecayPerSecond: number): string {
  for (const [unit, seconds] of Object.entries(UNIT_SECONDS)) {
    const slots = slotDecayPerSecond * seconds;
    const whole = Math.round(slots);
    // The rate was divided by as much: what is left over is rounding.
    if (whole > 0 && Math.abs(slots - whole) <= whole * 1e-12) return `${whole}/${unit}`;
  }
  return `${slotDecayPerSecond}/second`;
}
