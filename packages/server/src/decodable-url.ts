/** Takes a URL with malformed escapes literally. So its route answers it, after the check of the key, and not the router. */
export function decodable(url: string): string {
  try {
    // The result is used: the bundler would remove a call that seems to have no effect.
    return decodeURIComponent(url) && url;
  } catch {
    return url.replaceAll('%', '%25');
  }
}
