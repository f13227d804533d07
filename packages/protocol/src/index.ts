export * from './channel.ts';
export * from './codec.ts';
export * from './key.ts';
export * from './messages.ts';
export * from './problem.ts';
export * from './requests.ts';
export type { Clock, Timer } from './time.ts';
