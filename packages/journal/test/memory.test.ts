import { MemoryJournal, MemoryStore } from '../src/index.ts';
import { conformance } from './conformance.ts';
import { host, WALL_MS } from './host.ts';

conformance({
  name: 'memory',
  nowMs: async () => WALL_MS,
  place() {
    const store = new MemoryStore();
    return () => new MemoryJournal(store, host);
  },
  skips: {
    'a second opener is refused while the first lives': 'there is no process to protect, so the later one wins',
  },
});
