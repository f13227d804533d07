export { ask, type Question } from './ask.ts';
export { type HttpProxy, proxyTo } from './proxy.ts';
