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
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new InvalidRequestError(
      `'embedded:' runs the server's engine in this process, and the package ${name} is not installed. Install it (npm install ${name}; it needs Node 24), or connect to a server.`,
      { field: 'url' },
      { cause: error },
    );
  }
}
