/** Which versions of the protocol a client offers, and how it reads a refusal of them. */
import { FIRST_VERSION, ProtocolError, type Versions, versionsText, type WireError } from '@slotkeeper/protocol';

/** The fields that a server of 0.1.0 names when it refuses a `hello`: it counts the fields, and knows one version. */
const REFUSED_BY_FIRST: ReadonlySet<unknown> = new Set(["message 'h'", 'hello.version']);

/**
 * A server of 0.1.0 refuses a `hello` with a range. After such a refusal the next `hello` offers only the earliest version, and
 * after another refusal the range again, since the server may be replaced at any time.
 */
export class VersionOffer {
  readonly #versions: Versions;
  #isRange = true;

  constructor(versions: Versions) {
    this.#versions = versions;
  }

  get fields(): { readonly versionMin: number; readonly versionMax: number } {
    const { min, max } = this.#versions;
    return { versionMin: min, versionMax: this.#isRange && max > min ? max : 0 };
  }

  /** Throws `ProtocolError` if the server has chosen one that was not offered. */
  accept(version: number): void {
    const { min, max } = this.#versions;
    if (version < min || version > (this.#isRange ? max : min))
      throw new ProtocolError('welcome.version', `must be one of ${versionsText(this.#versions)}, but was ${version}`);
  }

  /** Why the server refused the offer, and which of both to upgrade; undefined if `error` is about something else. */
  refusedBecause(error: WireError): string | undefined {
    if (error.details.upgrade !== undefined) return error.message;
    if (!REFUSED_BY_FIRST.has(error.details.field)) return undefined;
    this.#isRange = !this.#isRange;
    return `The server speaks version ${FIRST_VERSION} of the session protocol, the client ${versionsText(this.#versions)}. Upgrade the server`;
  }

  /** The next connection may be to another server. */
  reset(): void {
    this.#isRange = true;
  }
}
