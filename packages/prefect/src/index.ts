export { prefectApi } from './api/prefect-api.ts';
export { isReportedByServer } from './events/event.ts';
export { openEvents } from './events/open-events.ts';
export {
  type Caller,
  type Key,
  type Keys,
  type Peer,
  RIGHTS,
  type Right,
  type Shown,
  untilKeyEnds,
  whyNot,
} from './keys.ts';
export { UpstreamAccess } from './upstream/access.ts';
export { type UpstreamAddress, upstreamAddress } from './upstream/address.ts';
export { standInFront } from './upstream/front.ts';
export { Upstream } from './upstream/upstream.ts';
export { upstreamVersion } from './upstream/version.ts';
