/** Where Prefect's web interface learns where its API is. */
import { Transform, type TransformCallback } from 'node:stream';

/** Whether that is asked. */
export function asksForSettings(method: string | undefined, path: string): boolean {
  return method === 'GET' && path.endsWith('/ui-settings');
}

/**
 * The upstream tells its own address. A browser that has the interface from here is to ask here, or it would show the upstream's
 * limits instead of those that hold.
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

/** Undefined if these are no settings. */
function withApiHere(text: string): string | undefined {
  try {
    const settings = JSON.parse(text);
    return typeof settings.api_url === 'string' ? JSON.stringify({ ...settings, api_url: '/api' }) : undefined;
  } catch {
    return undefined;
  }
}
