/** `/ui-settings`: there Prefect's web interface learns the address of its API. */
import { Transform, type TransformCallback } from 'node:stream';

/** Whether the request asks for these settings. */
export function asksForSettings(method: string | undefined, path: string): boolean {
  return method === 'GET' && path.endsWith('/ui-settings');
}

/**
 * Replaces the upstream's address in the settings by this server's. Otherwise a browser that has the web interface from here
 * would ask the upstream, and show its limits instead of those in force.
 */
export class SettingsHere extends Transform {
  readonly #chunks: Buffer[] = [];

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#chunks.push(chunk);
    done();
  }

  override _flush(done: TransformCallback): void {
    const body = Buffer.concat(this.#chunks);
    done(null, withApiHere(body.toString()) ?? body);
  }
}

/** Returns undefined if the text is not such settings. */
function withApiHere(text: string): string | undefined {
  try {
    const settings = JSON.parse(text);
    return typeof settings.api_url === 'string' ? JSON.stringify({ ...settings, api_url: '/api' }) : undefined;
  } catch {
    return undefined;
  }
}
