/** Answers bytes that are no HTTP request, in the form of all other refusals here, and ends the connection. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

const NO_REQUEST = [400, 'This is no HTTP request.'] as const;
/** The answers by Node's error code. */
const REASONS = new Map<string | undefined, readonly [status: number, message: string]>([
  ['HPE_HEADER_OVERFLOW', [431, 'The request line and the headers must be 16 KiB at the most, all together.']],
  ['ERR_HTTP_REQUEST_TIMEOUT', [408, 'The request did not arrive in time.']],
]);

export function refuseUnreadable({ code }: { readonly code?: string }, socket: Socket): void {
  // A connection that was reset cannot be answered.
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = REASONS.get(code) ?? NO_REQUEST;
  const body = JSON.stringify({ exception_message: message });
  socket.write(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  socket.destroySoon();
}
