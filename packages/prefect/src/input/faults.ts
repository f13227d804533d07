/**
 * What is wrong with an input. Types, messages and contexts of the faults are pydantic's, as on Prefect's own server, since
 * clients and people know those.
 */
import { PrefectError } from '../api/answers.ts';

export type Location = readonly (string | number)[];

export interface Fault {
  readonly type: string;
  readonly loc: Location;
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** What is wrong with an input. It is a class, so that `instanceof` distinguishes it from any value that was read. */
export class Faults {
  readonly list: readonly Fault[];
  constructor(list: readonly Fault[]) {
    this.list = list;
  }
}

/** Reads one input. `loc` is where it stands in the request, for the fault. */
export type Reader<T> = (input: unknown, loc: Location) => T | Faults;

export function invalidRequest(faults: readonly Fault[], requestBody: unknown): PrefectError {
  return new PrefectError(422, {
    exception_message: 'Invalid request received.',
    exception_detail: faults,
    request_body: requestBody,
  });
}

export function fault(type: string, msg: string, input: unknown, loc: Location, ctx?: Fault['ctx']): Faults {
  return new Faults([{ type, loc, msg, input, ...(ctx && { ctx }) }]);
}

export function missing(loc: Location, input: unknown): Faults {
  return fault('missing', 'Field required', input, loc);
}

export function allFaults(read: readonly unknown[]): Faults | undefined {
  const faults = read.filter((part) => part instanceof Faults);
  return faults.length === 0 ? undefined : new Faults(faults.flatMap(({ list }) => list));
}
