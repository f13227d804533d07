import type { ServerProcess } from './server-process.ts';

/** What a caller has been granted. */
export interface Held {
  /** Resolves once the server has confirmed it. */
  release(): Promise<unknown>;
}

export interface Caller {
  /** Takes one slot; resolves as its caller may go on. */
  acquire(): Promise<Held>;
}

export interface Rival extends Caller {
  /** Resolves once the server has the acquire of this rival in its queue. */
  queued(): Promise<void>;
}

/** Connections within the load process. */
export interface Callers<C extends Caller = Caller> {
  readonly callers: readonly C[];
  close(): Promise<unknown>;
}

/** Something that grants slots, or does the part of it that a bound is measured by. */
export interface Contender {
  readonly name: string;
  /** Whether a grant is on the disk before its caller hears of it. */
  readonly durable: boolean;
  /** Why it cannot take part on this machine, with what to do about it; undefined: it can. */
  missing(): string | undefined;
  /** Starts its server as a process of its own, that keeps what it keeps in `folder`. */
  serve(folder: string): Promise<ServerProcess>;
  /** `count` callers on one connection, each with a limit of its own of one slot. */
  separate(url: string, count: number): Promise<Callers>;
  /** Two callers on connections of their own, for one limit of one slot; absent where nothing queues. */
  rivals?(url: string): Promise<Callers<Rival>>;
}
