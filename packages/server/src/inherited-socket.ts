/**
 * The listening socket that this process was started with, by the protocol of systemd's socket activation. It is open before
 * this process and after it, so a client that connects during a restart waits in the socket's queue instead of being refused.
 */

/** Where systemd puts the first socket. */
const FIRST = 3;

/**
 * Its file descriptor, if there is one.
 *
 * @param pid of this process. The variables are inherited by children, for which the socket is not meant.
 * @throws if there are several: all but one would be left unanswered
 */
export function inheritedSocket(
  { LISTEN_PID: of, LISTEN_FDS: count = '0' }: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  if (of !== String(pid) || count === '0') return undefined;
  if (count === '1') return FIRST;
  throw new Error(
    `This server was given ${count} sockets (LISTEN_FDS), and takes one: give its socket unit one ListenStream.`,
  );
}
