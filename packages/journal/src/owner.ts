/**
 * A note beside the database that says which process has it, for people. It decides nothing: only SQLite's lock does. The note
 * of a process that was killed stays until the next process writes its own.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Call once the lock is taken. If the note cannot be written, there is none. */
export function leaveNote(file: string): void {
  const note = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  try {
    writeFileSync(noteOf(file), JSON.stringify(note));
  } catch {}
}

/** Call before the lock is given back. */
export function removeNote(file: string): void {
  try {
    rmSync(noteOf(file), { force: true });
  } catch {}
}

/** `process 4711 on host alpha, since 2026-11-24T12:00:00.000Z`, or as much as is known. */
export function whoHas(file: string): string {
  try {
    const { pid, host, since } = JSON.parse(readFileSync(noteOf(file), 'utf8'));
    return `process ${Number(pid)} on host ${String(host)}, since ${String(since)}`;
  } catch {
    return 'another process';
  }
}

function noteOf(file: string): string {
  return `${file}-owner`;
}
