/** An older Node would fail later, somewhere, with a sentence that explains nothing. Import this before all else. */

export function refuseOldNode(version: string): void {
  if (Number.parseInt(version, 10) < 22) throw new Error(`slotkeeper needs Node 22 or newer; this is Node ${version}.`);
}

refuseOldNode(process.versions.node);
