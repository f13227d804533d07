/** Reads events as Prefect's server does: which fields an event must have, and which are dropped. */

import { isObject } from '../../input/bodies.ts';
import { allFaults, Faults, fault, type Location, missing, type Reader } from '../../input/faults.ts';
import { uuid } from '../../input/uuid.ts';
import { list } from '../../input/values.ts';
import { type PrefectEvent, RESOURCE_ID, RESOURCE_ROLE, type Resource } from '../event.ts';
import { readInstant } from './instant-body.ts';

const NAME_MAX = 1024;
const RELATED_MAX = 100;
const LABELS_MAX = 500;

/** Unknown fields are dropped. */
export const readEvent: Reader<PrefectEvent> = (input, loc) => {
  if (!isObject(input)) return noDictionary(input, loc);
  const occurred = needed(readInstant, input, 'occurred', loc);
  const event = needed(readName, input, 'event', loc);
  const resource = needed(readResource, input, 'resource', loc);
  const related = optional(readRelated, input, 'related', loc, []);
  const payload = optional(readPayload, input, 'payload', loc, {});
  const id = needed(uuid, input, 'id', loc);
  const follows = input.follows === null ? null : optional(uuid, input, 'follows', loc, null);
  const faults = allFaults([occurred, event, resource, related, payload, id, follows]);
  return faults ?? ({ occurred, event, resource, related, payload, id, follows } as PrefectEvent);
};

type Dictionary = Readonly<Record<string, unknown>>;

function needed<T>(read: Reader<T>, from: Dictionary, name: string, loc: Location): T | Faults {
  return Object.hasOwn(from, name) ? read(from[name], [...loc, name]) : missing([...loc, name], from);
}

function optional<T>(read: Reader<T>, from: Dictionary, name: string, loc: Location, otherwise: T): T | Faults {
  return Object.hasOwn(from, name) ? read(from[name], [...loc, name]) : otherwise;
}

export function noDictionary(input: unknown, loc: Location): Faults {
  return fault('dict_type', 'Input should be a valid dictionary', input, loc);
}

export function notAsItShould(msg: string, input: unknown, loc: Location): Faults {
  return fault('value_error', `Value error, ${msg}`, input, loc, { error: {} });
}

export const readText: Reader<string> = (input, loc) =>
  typeof input === 'string' ? input : fault('string_type', 'Input should be a valid string', input, loc);

const readName: Reader<string> = (input, loc) => {
  const name = readText(input, loc);
  if (name instanceof Faults || name.length <= NAME_MAX) return name;
  return notAsItShould(`Event name must be at most ${NAME_MAX} characters`, input, loc);
};

const readPayload: Reader<Dictionary> = (input, loc) => (isObject(input) ? input : noDictionary(input, loc));

const readLabels: Reader<Resource> = (input, loc) => {
  if (!isObject(input)) return noDictionary(input, loc);
  const faults = allFaults(Object.entries(input).map(([label, value]) => readText(value, [...loc, label])));
  return faults ?? (input as Resource);
};

const readResource: Reader<Resource> = (input, loc) => {
  const labels = readLabels(input, loc);
  if (labels instanceof Faults) return labels;
  if (Object.keys(labels).length > LABELS_MAX)
    return notAsItShould(`The maximum number of labels per resource is ${LABELS_MAX}`, input, loc);
  return withLabel(labels, RESOURCE_ID, 'Resources', loc);
};

const readRelatedResource: Reader<Resource> = (input, loc) => {
  const resource = readResource(input, loc);
  return resource instanceof Faults ? resource : withLabel(resource, RESOURCE_ROLE, 'Related Resources', loc);
};

function withLabel(labels: Resource, label: string, whose: string, loc: Location): Resource | Faults {
  if (!Object.hasOwn(labels, label)) return notAsItShould(`${whose} must include the ${label} label`, labels, loc);
  return labels[label] === '' ? notAsItShould(`The ${label} label must be non-empty`, labels, loc) : labels;
}

const readRelated: Reader<readonly Resource[]> = (input, loc) => {
  const related = list(readRelatedResource)(input, loc);
  if (related instanceof Faults || related.length <= RELATED_MAX) return related;
  return notAsItShould(`The maximum number of related resources is ${RELATED_MAX}`, input, loc);
};
