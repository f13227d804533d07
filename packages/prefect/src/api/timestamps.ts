/** In UTC with microseconds, of which engine time has a fraction of a millisecond at the most. */
export function rfc3339(ms: number): string {
  const microseconds = Math.floor((ms - Math.floor(ms)) * 1000);
  return new Date(Math.floor(ms)).toISOString().replace('Z', `${String(microseconds).padStart(3, '0')}Z`);
}
