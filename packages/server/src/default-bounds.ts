/** What the command's options for bounds are unless given. */
export { type Bounds, DEFAULT_BOUNDS } from '@slotkeeper/engine';
