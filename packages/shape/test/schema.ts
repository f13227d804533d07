/** What a JSON Schema means, as far as tables of fields make them. */
import type { Schema } from '@slotkeeper/shape';

type Rule = (value: never, operand: never) => boolean;

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const rules: Readonly<Record<string, Rule>> = {
  type: (value: unknown, type: string) =>
    type === 'integer'
      ? Number.isInteger(value)
      : type === 'null'
        ? value === null
        : type === 'array'
          ? Array.isArray(value)
          : type === 'object'
            ? isObject(value)
            : typeof value === type,
  enum: (value: unknown, words: readonly unknown[]) => words.includes(value),
  const: (value: unknown, word: unknown) => value === word,
  anyOf: (value: unknown, schemas: readonly Schema[]) => schemas.some((schema) => accepts(schema, value)),
  minimum: (value: number, min: number) => value >= min,
  maximum: (value: number, max: number) => value <= max,
  minLength: (value: string, min: number) => [...value].length >= min,
  maxLength: (value: string, max: number) => [...value].length <= max,
  pattern: (value: string, pattern: string) => new RegExp(pattern, 'u').test(value),
  items: (value: readonly unknown[], schema: Schema) => value.every((item) => accepts(schema, item)),
  prefixItems: (value: readonly unknown[], schemas: readonly Schema[]) =>
    schemas.every((schema, i) => accepts(schema, value[i])),
  minItems: (value: readonly unknown[], min: number) => value.length >= min,
  maxItems: (value: readonly unknown[], max: number) => value.length <= max,
  required: (value: object, names: readonly string[]) => names.every((name) => name in value),
  properties: (value: Readonly<Record<string, unknown>>, schemas: Readonly<Record<string, Schema>>) =>
    Object.entries(schemas).every(([name, schema]) => !(name in value) || accepts(schema, value[name])),
  additionalProperties: (_value: unknown, allowed: false) => allowed === false,
};

/** Throws for a keyword that it does not know. */
export function accepts(schema: Schema, value: unknown): boolean {
  const known = Object.entries(schema).every(([keyword, operand]) => {
    const rule = rules[keyword];
    if (!rule) throw new Error(`no meaning for '${keyword}'`);
    return rule(value as never, operand as never);
  });
  if (!known || schema.additionalProperties !== false || !isObject(value)) return known;
  const names = Object.keys(schema.properties as object);
  return Object.keys(value).every((name) => names.includes(name));
}
