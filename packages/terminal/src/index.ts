/** What a program of ours shows at a terminal: colours, durations, tables, and how it ends. The command and the demo use it. */
export { printable } from '@slotkeeper/shape';
export * from './duration.ts';
export * from './failure.ts';
export * from './paint.ts';
export * from './table.ts';
