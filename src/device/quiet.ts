/** Whether a program asked for Dawn's harmless warnings to be hidden (Node only). */

let hidden = false;

/**
 * Keeps Dawn's harmless warnings ("artificially reduced", XDG_RUNTIME_DIR, a driver that was tried
 * and refused) from a program's standard error stream. They come from C++, so while init() opens the
 * device, file descriptor 2 is a temporary file, out of which everything else is written to the
 * stream afterwards. For programs, before init(): a library should not touch its host's streams.
 * Does nothing where the stream cannot be put back, such as a redirection to a file.
 */
export function hideDawnWarnings(): void {
  hidden = true;
}

export function dawnWarningsAreHidden(): boolean {
  return hidden;
}
