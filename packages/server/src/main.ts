#!/usr/bin/env node
/** The `slotkeeper` command. Nothing is loaded before the version of Node is known to do: an older one could not even parse it. */
export {};

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `slotkeeper needs Node 24 or newer; this is Node ${process.versions.node} (${process.execPath}).\n`,
  );
  process.exitCode = 1;
} else {
  const { run } = await import('./command/program.ts');
  process.exitCode = await run(process.argv);
}
