export type { Channel, ChannelEvents } from './channel.ts';
export * from './messages.ts';
export type { Clock, Timer } from './time.ts';
