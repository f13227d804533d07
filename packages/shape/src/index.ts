export * from './amounts.ts';
export * from './composites.ts';
export type { Check, Field, Schema } from './field.ts';
export { leaf } from './field.ts';
export * from './holder.ts';
export * from './limit-settings.ts';
export * from './problem.ts';
export * from './scalars.ts';
export * from './shape.ts';
