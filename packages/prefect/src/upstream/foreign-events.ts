/** Events that clients send to the upstream, without those that this server reports itself. */
import type { IncomingMessage } from 'node:http';

/** Whether this server reports events of that name itself. */
export type IsOurs = (event: { readonly event: string }) => boolean;

/** A longer body passes unread: no client sends so many events at once. */
const BODY_BYTES_MAX = 4_194_304;
/** A longer message passes unread: no event is so long. */
const MESSAGE_LENGTH_MAX = 1_048_576;

/** Whether a message of `/api/events/in` is an event that this server reports itself. */
export function isOurMessage(text: string, isOurs: IsOurs): boolean {
  const event = text.length > MESSAGE_LENGTH_MAX ? undefined : parse(text);
  return isEvent(event) && isOurs(event);
}

export interface PostedEvents {
  /** The body, or its first part if it is too long; then the rest is still unread. */
  readonly bytes: Buffer;
  readonly isComplete: boolean;
  /** Whether events were left out. */
  readonly isChanged: boolean;
}

/** Reads the body of a `POST /api/events`. Rejects if the client goes away meanwhile. */
export async function withoutOurEvents(request: IncomingMessage, isOurs: IsOurs): Promise<PostedEvents> {
  const { bytes, isComplete } = await readBody(request);
  const events = isComplete && !request.headers['content-encoding'] ? parse(bytes.toString()) : undefined;
  const kept = Array.isArray(events) ? events.map((event) => !(isEvent(event) && isOurs(event))) : [];
  if (!kept.includes(false)) return { bytes, isComplete, isChanged: false };
  const others = exactly(bytes.toString()).filter((_event, at) => kept[at]);
  return { bytes: Buffer.from(JSON.stringify(others)), isComplete, isChanged: true };
}

async function readBody(request: IncomingMessage): Promise<{ bytes: Buffer; isComplete: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > BODY_BYTES_MAX) return { bytes: Buffer.concat(chunks), isComplete: false };
  }
  return { bytes: Buffer.concat(chunks), isComplete: true };
}

function isEvent(value: unknown): value is { readonly event: string } {
  return typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';
}

/** Returns undefined if the text is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Parses a list so that its numbers are written again as they were: `1.0`, or more digits than a double holds. */
function exactly(text: string): unknown[] {
  const asWritten = (_key: string, value: unknown, context?: { readonly source: string }): unknown =>
    typeof value === 'number' && context ? rawJson(context.source) : value;
  return JSON.parse(text, asWritten);
}

/** Node has `JSON.rawJSON`; TypeScript's library does not yet. */
const rawJson = (JSON as typeof JSON & { rawJSON(text: string): unknown }).rawJSON;
