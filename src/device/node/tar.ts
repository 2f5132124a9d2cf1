/** Reads the named files out of a tar archive (ustar, as GNU tar and bsdtar write it). */
import { DeviceError } from "../../core/errors.js";

const block = 512;

/** The files of `archive` whose base name is in `names`. Throws if the archive is damaged. */
export function untar(archive: Uint8Array, names: readonly string[]): Map<string, Uint8Array> {
  const text = (at: number, length: number) =>
    String.fromCharCode(...archive.subarray(at, at + length)).replace(/\0.*$/s, "");
  const found = new Map<string, Uint8Array>();
  let at = 0;
  while (at + block <= archive.length && archive[at] !== 0) {
    const size = Number.parseInt(text(at + 124, 12).trim() || "0", 8);
    const sum = Number.parseInt(text(at + 148, 8).trim(), 8);
    let actual = 8 * 32; // the checksum's own field counts as spaces
    for (let i = 0; i < block; i++) if (i < 148 || i >= 156) actual += archive[at + i]!;
    if (!Number.isFinite(size) || sum !== actual || at + block + size > archive.length) {
      throw new DeviceError(`untar: damaged archive (header at byte ${at}).`);
    }
    const name = text(at, 100).split("/").at(-1) ?? "";
    const kind = text(at + 156, 1);
    if ((kind === "" || kind === "0") && names.includes(name)) {
      found.set(name, archive.subarray(at + block, at + block + size));
    }
    at += block + Math.ceil(size / block) * block;
  }
  return found;
}
