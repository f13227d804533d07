/** A URL whose escapes mean nothing is taken literally, so that it is answered by the face that it asks for, after its key check. */
export function decodable(url: string): string {
  try {
    // What comes of it is looked at, since the bundler leaves out a call that seems to have no effect.
    return decodeURIComponent(url) && url;
  } catch {
    return url.replaceAll('%', '%25');
  }
}
