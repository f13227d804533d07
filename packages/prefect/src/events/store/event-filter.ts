/** Filters for events: the conditions that Prefect's API has, and whether an event meets them. */
import { type PrefectEvent, RESOURCE_ID, RESOURCE_ROLE, type Resource } from '../event.ts';
import { globMatcher } from './glob.ts';
import { type TextQuery, textMatches } from './text-query.ts';

/** Patterns by the label's name; the label's value must match one of them. `*` and `?` are wildcards, `!` in front negates. */
export type Labels = Readonly<Record<string, readonly string[]>>;

/** An empty list is no condition. */
interface ResourceConditions {
  readonly id: readonly string[];
  readonly id_prefix: readonly string[];
  readonly labels: Labels;
}

export interface RelatedConditions {
  readonly id: readonly string[];
  readonly role: readonly string[];
  readonly resources_in_roles: readonly (readonly [id: string, role: string])[];
  readonly labels: Labels;
}

/** An event must meet all conditions. */
export interface EventFilter {
  /** Both inclusive, as `instant` writes them. */
  readonly occurred: { readonly since: string; readonly until: string };
  readonly event: {
    readonly prefix: readonly string[];
    readonly exclude_prefix: readonly string[];
    readonly name: readonly string[];
    readonly exclude_name: readonly string[];
  };
  readonly resource: ResourceConditions & {
    /** Only the first event of each resource, in the order asked for. */
    readonly distinct: boolean;
  };
  /** For each of these, one of the event's related resources must meet it. */
  readonly related: readonly RelatedConditions[];
  /** For each of these, the event's resource or one of its related ones must meet it. */
  readonly any_resource: readonly ResourceConditions[];
  readonly id: readonly string[];
  readonly text: TextQuery;
  readonly order: 'ASC' | 'DESC';
}

export type Matcher = (event: PrefectEvent) => boolean;

/** All conditions except `occurred` and `distinct`, which the caller applies. Undefined if there are no others. */
export function matcherOf(filter: EventFilter): Matcher | undefined {
  const { event: names, resource, related, any_resource, id, text } = filter;
  const conditions: Matcher[] = [];
  if (Object.values(names).some(isAsked)) conditions.push(({ event }) => nameMatches(event, names));
  const primary = resourceMatcher(resource);
  if (primary) conditions.push((event) => primary(event.resource));
  for (const one of related) {
    const matches = relatedMatcher(one);
    if (matches) conditions.push((event) => event.related.some(matches));
  }
  for (const one of any_resource) {
    const matches = resourceMatcher(one);
    if (matches) conditions.push((event) => matches(event.resource) || event.related.some(matches));
  }
  if (isAsked(id)) conditions.push((event) => id.includes(event.id));
  if (Object.values(text).some(isAsked)) conditions.push((event) => textMatches(text, event));
  return conditions.length === 0 ? undefined : (event) => conditions.every((condition) => condition(event));
}

/** The filter without its conditions on the event's name and id and on its resource's id: the caller has checked these. */
export function withoutNamesAndIds(filter: EventFilter): EventFilter {
  const resource = { ...filter.resource, id: [], id_prefix: [] };
  return { ...filter, resource, id: [], event: { prefix: [], exclude_prefix: [], name: [], exclude_name: [] } };
}

/** Only the conditions on how the event's name and its resource's id begin. Both are columns, so no event's JSON need be read. */
export function beginningsOf({ occurred, event, resource, order }: EventFilter): EventFilter {
  return {
    occurred,
    event: { ...event, name: [], exclude_name: [] },
    resource: { id: [], id_prefix: resource.id_prefix, labels: {}, distinct: false },
    related: [],
    any_resource: [],
    id: [],
    text: { include: [], exclude: [], required: [] },
    order,
  };
}

function isAsked(list: readonly unknown[]): boolean {
  return list.length > 0;
}

function nameMatches(event: string, { prefix, exclude_prefix, name, exclude_name }: EventFilter['event']): boolean {
  const beginsWith = (start: string): boolean => event.startsWith(start);
  if (isAsked(prefix) && !prefix.some(beginsWith)) return false;
  if (isAsked(name) && !name.includes(event)) return false;
  return !exclude_prefix.some(beginsWith) && !exclude_name.includes(event);
}

type ResourceMatcher = (resource: Resource) => boolean;

function resourceMatcher({ id, id_prefix, labels }: ResourceConditions): ResourceMatcher | undefined {
  const conditions: ResourceMatcher[] = labelMatchers(labels);
  if (isAsked(id)) conditions.push((resource) => id.includes(resource[RESOURCE_ID]!));
  if (isAsked(id_prefix)) {
    conditions.push((resource) => id_prefix.some((prefix) => resource[RESOURCE_ID]!.startsWith(prefix)));
  }
  return all(conditions);
}

function relatedMatcher({ id, role, resources_in_roles, labels }: RelatedConditions): ResourceMatcher | undefined {
  const conditions: ResourceMatcher[] = labelMatchers(labels);
  if (isAsked(id)) conditions.push((resource) => id.includes(resource[RESOURCE_ID]!));
  if (isAsked(role)) conditions.push((resource) => role.includes(resource[RESOURCE_ROLE]!));
  if (isAsked(resources_in_roles)) {
    conditions.push((resource) =>
      resources_in_roles.some(([id, role]) => id === resource[RESOURCE_ID] && role === resource[RESOURCE_ROLE]),
    );
  }
  return all(conditions);
}

function all(conditions: readonly ResourceMatcher[]): ResourceMatcher | undefined {
  return conditions.length === 0 ? undefined : (resource) => conditions.every((condition) => condition(resource));
}

function labelMatchers(labels: Labels): ResourceMatcher[] {
  return Object.entries(labels).map(([label, patterns]) => {
    const matches = patterns.map(patternMatcher);
    return (resource) => {
      const value = Object.hasOwn(resource, label) ? resource[label] : undefined;
      return value !== undefined && matches.some((match) => match(value));
    };
  });
}

function patternMatcher(pattern: string): (value: string) => boolean {
  const isNegated = pattern.startsWith('!');
  const wanted = isNegated ? pattern.slice(1) : pattern;
  const matches = globMatcher(wanted);
  return (value) => matches(value) !== isNegated;
}
