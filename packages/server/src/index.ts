export { type Embedded, openEmbedded } from './embedded.ts';
export { type RunningServer, type ServeOptions, serve } from './serve.ts';
