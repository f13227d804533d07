/** The engine in this process: `embedded:` in memory, `embedded:./file.db` in a file. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Channel, ChannelEvents, ClientFrame, ServerFrame } from '@slotkeeper/protocol';
import { ConflictError, InvalidRequestError, ServerUnreachableError } from './errors.ts';
import { refuse } from './refuse.ts';

/** The part of `@slotkeeper/server` that is used here. */
export interface Embedded {
  dial(events: ChannelEvents<ServerFrame>): Channel<ClientFrame>;
  close(): Promise<void>;
}

interface ServerPackage {
  openEmbedded(options: { readonly file?: string }): Promise<Embedded>;
}

/**
 * Rejects with `INVALID_REQUEST` if `@slotkeeper/server` is not installed or the file's folder does not exist, with `CONFLICT` if
 * another process has the file, with `SERVER_UNREACHABLE` if it cannot be opened for another reason.
 */
export async function openEmbedded(file: string | undefined): Promise<Embedded> {
  const server = await loadServer();
  if (file === undefined) return server.openEmbedded({});
  const folder = dirname(resolve(file));
  if (!existsSync(folder))
    refuse({
      field: 'url',
      reason: `names the file '${file}', but its folder does not exist: make '${folder}', or name another`,
    });
  try {
    return await server.openEmbedded({ file });
  } catch (error) {
    throw cannotOpen(file, error);
  }
}

/** Turns a `JournalError` into an error of this package. Its message says what is wrong with which file, and what to do. */
function cannotOpen(file: string, error: unknown): unknown {
  if (!(error instanceof Error && error.name === 'JournalError' && 'code' in error)) return error;
  const details = { address: `embedded:${file}`, reason: error.code };
  const errorClass = error.code === 'IN_USE' ? ConflictError : ServerUnreachableError;
  return new errorClass(error.message, details, { cause: error });
}

async function loadServer(): Promise<ServerPackage> {
  // Not a literal, so that the compiler does not ask for a package that may not be installed.
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
