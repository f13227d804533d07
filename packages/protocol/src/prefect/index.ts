/**
 * Prefect's REST API, asked as Prefect's own Python client asks it: its credentials, its CSRF token, its retries. The
 * client, the command's `import` and the events that a server reports upstream all ask through here.
 */
export * from './answers.ts';
export * from './credentials.ts';
export * from './failures.ts';
export * from './prefect-api.ts';
export * from './reply.ts';
