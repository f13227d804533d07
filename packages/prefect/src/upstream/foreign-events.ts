/** Events that clients send to the upstream, without those that this server tells itself. */
import type { IncomingMessage } from 'node:http';

/** Whether an event of that name is told by this server itself. */
export type IsOurs = (event: { readonly event: string }) => boolean;

/** A longer body passes without being looked at: no client sends so many events at once. */
const BODY_BYTES_MAX = 4_194_304;
/** A longer message passes without being looked at: no event is so long. */
const MESSAGE_LENGTH_MAX = 1_048_576;

/** Whether a message of `/api/events/in` is an event that this server tells itself. */
export function isOurMessage(text: string, isOurs: IsOurs): boolean {
  const event = text.length > MESSAGE_LENGTH_MAX ? undefined : parse(text);
  return isEvent(event) && isOurs(event);
}

export interface PostedEvents {
  /** All of the body; or what has been read of one that is too long, of which the rest is still to be read. */
  readonly bytes: Buffer;
  readonly isComplete: boolean;
  /** Whether something was left out. */
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

/** Undefined if it is no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A list whose numbers will be written as they were: `1.0`, and more digits than a number holds. */
function exactly(text: string): unknown[] {
  const asWritten = (_key: string, value: unknown, context?: { readonly source: string }): unknown =>
    typeof value === 'number' && context ? rawJson(context.source) : value;
  return JSON.parse(text, asWritten);
}

/** Node has it, TypeScript's library does not yet. */
const rawJson = (JSON as typeof JSON & { rawJSON(text: string): unknown }).rawJSON;
