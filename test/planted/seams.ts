/** All planted bugs, by the seam that they break: where two rooms rely on each other. */
import { CLIENT_AND_PREFECT } from './client-and-prefect.ts';
import { ENGINE } from './engine.ts';
import { HOST_AND_ENGINE } from './host-and-engine.ts';
import { HOST_AND_PREFECT } from './host-and-prefect.ts';
import { JOURNAL_AND_DISK } from './journal-and-disk.ts';
import type { PlantedBug } from './planted-bug.ts';
import { SESSION_AND_PLACE } from './session-and-place.ts';
import { VERSIONS } from './versions.ts';

export const SEAMS: Readonly<Record<string, readonly PlantedBug[]>> = {
  engine: ENGINE,
  'client and prefect': CLIENT_AND_PREFECT,
  'host and engine': HOST_AND_ENGINE,
  'host and prefect': HOST_AND_PREFECT,
  'journal and disk': JOURNAL_AND_DISK,
  'session and place': SESSION_AND_PLACE,
  versions: VERSIONS,
};
