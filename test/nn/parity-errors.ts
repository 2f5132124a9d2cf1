/** Errors against PyTorch over five steps of SGD, in f64 on the host and on the device. */
import { array, jit, type Tensor, valueAndGrad } from "dawngrad";
import { fromStateDict, softmaxCrossEntropy, toStateDict } from "dawngrad/nn";
import { applyUpdates, sgd } from "dawngrad/optim";
import { type HostArray, reference } from "dawngrad/testing";
import { type Family, images, labels } from "./parity.js";

type Dict = Record<string, Tensor>;

interface Step {
  readonly dict: Dict;
  readonly velocity: unknown;
  readonly loss: Tensor;
  readonly logits: Tensor;
  readonly grads: Dict;
}

/** One step in terms of PyTorch's state dict, so that the name maps are part of what is compared. */
function stepOf({ model, names, like, record }: Family) {
  const optimizer = sgd({ learningRate: record.learningRate, momentum: 0.9, weightDecay: 1e-3 });
  const split = (dict: Dict) => fromStateDict(dict, like, { names });
  return {
    start: (dict: Dict) => optimizer.init(split(dict).params),
    step(dict: Dict, velocity: unknown, x: Tensor, y: Tensor): Step {
      const { params, state } = split(dict);
      const lossOf = (p: unknown) => {
        const [logits, next] = model.apply(p, state, x, { train: true });
        return [softmaxCrossEntropy(logits, y).mean(), { logits, next }] as const;
      };
      const [[loss, { logits, next }], g] = valueAndGrad(lossOf, { hasAux: true })(params);
      const [updates, moved] = optimizer.update(g, velocity as never, params);
      const updated = applyUpdates(params, updates);
      return {
        dict: toStateDict({ params: updated, state: next }, { names }),
        velocity: moved,
        loss,
        logits,
        grads: toStateDict({ params: g, state: null }, { names }),
      };
    },
    evaluate(dict: Dict, x: Tensor): Tensor {
      const { params, state } = split(dict);
      return model.apply(params, state, x)[0];
    },
  };
}

/** The largest difference of a list of tensors, relative to the largest value of that tensor. */
function worst(
  have: Readonly<Record<string, { readonly data: ArrayLike<number> }>>,
  want: Readonly<Record<string, readonly number[]>>,
): number {
  return Math.max(
    ...Object.entries(want).map(([name, values]) => {
      const scale = Math.max(...values.map(Math.abs), 1e-3);
      return Math.max(...values.map((v, i) => Math.abs(v - have[name]!.data[i]!))) / scale;
    }),
  );
}

/** Relative errors by what was compared and after which step. */
export type Errors = Record<string, number>;

interface Compared {
  readonly loss: number;
  readonly logits: ArrayLike<number>;
  readonly grads: Readonly<Record<string, { readonly data: ArrayLike<number> }>>;
  readonly dict: Readonly<Record<string, { readonly data: ArrayLike<number> }>>;
}

function stepErrors({ record }: Family, i: number, have: Compared): Errors {
  const errors: Errors = { [`loss ${i + 1}`]: Math.abs(have.loss / record.losses[i]! - 1) };
  if (i === 0) {
    errors.logits = worst({ logits: { data: have.logits } }, { logits: record.logits });
    errors.gradients = worst(have.grads, record.grads);
    errors["statistics after 1"] = worst(have.dict, record.statsAfterOne);
  }
  if (i === 4) {
    errors["parameters after 5"] = worst(have.dict, record.paramsAfterFive);
    errors["statistics after 5"] = worst(have.dict, record.statsAfterFive);
  }
  return errors;
}

const evaluationError = ({ record }: Family, data: ArrayLike<number>): Errors => ({
  "evaluated after 5": worst({ logits: { data } }, { logits: record.evaluated }),
});

export async function referenceErrors(family: Family): Promise<Errors> {
  const { record } = family;
  const { start, step, evaluate } = stepOf(family);
  let dict = family.dict as never;
  let velocity: unknown = await reference(start)(dict);
  const errors: Errors = {};
  for (let i = 0; i < 5; i++) {
    const out = await reference(step)(dict, velocity, images(record, 100 + i), labels(record, i));
    const { grads, dict: next } = out;
    Object.assign(
      errors,
      stepErrors(family, i, { loss: out.loss.item(), logits: out.logits.data, grads, dict: next }),
    );
    dict = next as never;
    velocity = out.velocity;
  }
  const evaluated = await reference(evaluate)(dict, images(record, 200));
  return { ...errors, ...evaluationError(family, evaluated.data) };
}

const put = (x: HostArray): Tensor =>
  x.dtype === "int32"
    ? array(Int32Array.from(x.data), { shape: x.shape, dtype: "int32" })
    : array(Float32Array.from(x.data), { shape: x.shape });

const get = async (dict: Dict) =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(dict).map(async ([name, x]) => [name, { data: await x.data() }] as const),
    ),
  );

export async function deviceErrors(family: Family): Promise<Errors> {
  const { record } = family;
  const { start, step, evaluate } = stepOf(family);
  let dict: Dict = Object.fromEntries(Object.entries(family.dict).map(([k, x]) => [k, put(x)]));
  let velocity: unknown = start(dict);
  const run = jit(step);
  const errors: Errors = {};
  for (let i = 0; i < 5; i++) {
    const out = run(dict, velocity, put(images(record, 100 + i)), put(labels(record, i)));
    const have = {
      loss: await out.loss.item(),
      logits: await out.logits.data(),
      grads: i === 0 ? await get(out.grads) : {},
      dict: i === 0 || i === 4 ? await get(out.dict) : {},
    };
    Object.assign(errors, stepErrors(family, i, have));
    dict = out.dict;
    velocity = out.velocity;
  }
  const evaluated = await jit(evaluate)(dict, put(images(record, 200))).data();
  return { ...errors, ...evaluationError(family, evaluated) };
}
