/** What a Prefect server may ask of its clients. */
export interface Credentials {
  /** `PREFECT_API_AUTH_STRING`: `user:password`, or any string. It wins over the key. */
  readonly authString?: string | null | undefined;
  /** `PREFECT_API_KEY`. */
  readonly apiKey?: string | null | undefined;
}

/** The `Authorization` header for these credentials; undefined if there are none. */
export function authorizationOf({ authString, apiKey }: Credentials): string | undefined {
  if (authString) return `Basic ${Buffer.from(authString).toString('base64')}`;
  return apiKey ? `Bearer ${apiKey}` : undefined;
}
