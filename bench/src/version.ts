import { fileURLToPath } from 'node:url';

/** A checkout of ours, as its server and its client were built there. */
export interface Version {
  readonly name: string;
  readonly checkout: string;
}

export const THIS_VERSION: Version = {
  name: 'slotkeeper',
  checkout: fileURLToPath(new URL('../../', import.meta.url)),
};
