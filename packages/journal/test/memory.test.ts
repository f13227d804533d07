import { MemoryJournal, MemoryStore } from '../src/index.ts';
import { conformance } from './conformance.ts';

conformance({
  name: 'memory',
  place() {
    const store = new MemoryStore();
    return () => new MemoryJournal(store);
  },
  skips: {
    'a second opener is refused while the first lives': 'there is no process to protect, so the later one wins',
  },
});
