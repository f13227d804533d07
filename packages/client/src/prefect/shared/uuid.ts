import { type Check, seen } from '@slotkeeper/shape';

/** As Python takes them; a Prefect server refuses all else. */
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

export const checkUuid: Check = (id, field) =>
  typeof id === 'string' && UUID.test(id) ? undefined : { field, reason: `must be a UUID, but was ${seen(id)}` };
