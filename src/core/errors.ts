/**
 * The errors that dawngrad throws. Every message names the operation, the shapes and dtypes (or the
 * file, or the adapter) involved, and what to do about it.
 */

/** Base of every error that the library throws on purpose; catch it to tell them from bugs. */
export class DawngradError extends Error {
  override name = "DawngradError";
}

/** Shapes that do not fit an operation, an axis out of range, a tree of the wrong structure. */
export class ShapeError extends DawngradError {
  override name = "ShapeError";
}

/** A dtype that an operation does not take, such as `grad` with respect to integers. */
export class DtypeError extends DawngradError {
  override name = "DtypeError";
}

/** A traced value was used where JavaScript needs a concrete number, string or boolean. */
export class ConcretizationError extends DawngradError {
  override name = "ConcretizationError";
}

/** A tracer was used after the function it belonged to had returned. */
export class LeakedTracerError extends DawngradError {
  override name = "LeakedTracerError";
}

/** No adapter, a lost device, memory exhausted, a shader or a program that the device refused. */
export class DeviceError extends DawngradError {
  override name = "DeviceError";
}

/** A tensor was used after `dispose()` or after it was donated to a jitted function. */
export class DisposedError extends DawngradError {
  override name = "DisposedError";
}

/** A data file is absent, truncated or not of the expected format. */
export class DataError extends DawngradError {
  override name = "DataError";
}
