import type { ServerProcess } from './server-process.ts';
import type { Version } from './version.ts';

/** What a caller has been granted. */
export interface Held {
  /** Resolves once the server has confirmed it. */
  release(): Promise<unknown>;
}

export interface Caller {
  /** Takes one slot; resolves as its caller may go on. */
  acquire(): Promise<Held>;
}

/** The server has not done it, though it should have (503). The caller may ask again. */
export class NotDone extends Error {
  override readonly name = 'NotDone';
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

/** A program that is measured; contenders may share one. */
export interface ContenderServer {
  readonly name: string;
  /** Takes long to start: left out of the small size, unless it is asked for by name. */
  readonly slow?: true;
  /** Why it cannot take part on this machine, with what to do about it; undefined: it can. */
  missing(): string | undefined;
  /** Starts it as a process of its own, that keeps what it keeps in `folder`. */
  serve(folder: string): Promise<ServerProcess>;
}

/** Something that grants slots, or does the part of it that a bound is measured by. */
export interface Contender {
  readonly name: string;
  readonly server: ContenderServer;
  /** Whether a grant is on the disk before its caller hears of it; of some only how many slots are taken is. */
  readonly durable: 'yes' | 'no' | 'the count';
  /** Which checkout of ours it is; absent where it is somebody else's. */
  readonly version?: Version;
  /** Which of Prefect's APIs it is asked by; absent where there is none. */
  readonly prefectApi?: 'v1' | 'v2';
  /** `count` callers, each with a limit of its own that has room for it. */
  separate(url: string, count: number): Promise<Callers>;
  /** Two callers on connections of their own, for one limit of one slot; absent where nothing queues. */
  rivals?(url: string): Promise<Callers<Rival>>;
}
