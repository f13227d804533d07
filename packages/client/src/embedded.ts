/** The engine in this process: `embedded:` in memory, `embedded:./file.db` in a file. */
import type { Channel, ChannelEvents } from '@slotkeeper/protocol';
import { InvalidRequestError } from './errors.ts';

/** What `@slotkeeper/server` has for us. */
export interface Embedded {
  dial(events: ChannelEvents): Channel;
  close(): Promise<void>;
}

interface ServerPackage {
  openEmbedded(options: { readonly file?: string }): Promise<Embedded>;
}

/** Rejects with `INVALID_REQUEST` if `@slotkeeper/server` is not installed, with what it says if it cannot open the file. */
export async function openEmbedded(file: string | undefined): Promise<Embedded> {
  const server = await loadServer();
  return server.openEmbedded(file === undefined ? {} : { file });
}

async function loadServer(): Promise<ServerPackage> {
  // Not a literal, so that the compiler does not ask for a package that need not be there.
  const name: string = '@slotkeeper/server';
  try {
    return (await import(name)) as ServerPackage;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'ERR_UNKNOWN_BUILTIN_MODULE') throw error;
    const why = code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `does not run on Node ${process.versions.node}`;
    throw new InvalidRequestError(
      `'embedded:' runs the server's engine in this process, and the package ${name} ${why}. Install it (npm install ${name}) and run Node 24 or newer, or connect to a server.`,
      { field: 'url' },
      { cause: error },
    );
  }
}
