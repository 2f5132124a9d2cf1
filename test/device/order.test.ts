import { expect, test } from "vitest";
import { Order } from "../../src/device/order.js";

test("what waits runs in order, and one that throws neither stops the rest nor its caller", () => {
  const failed: unknown[] = [];
  const order = new Order((error) => failed.push(error));
  const ran: number[] = [];
  order.run(() => ran.push(0));
  order.hold();
  for (const i of [1, 2, 3]) {
    order.run(() => {
      ran.push(i);
      if (i === 2) throw new Error("no memory");
    });
  }
  expect(ran).toEqual([0]);
  order.release();
  expect(ran).toEqual([0, 1, 2, 3]);
  expect(failed).toEqual([new Error("no memory")]);
});

test("an action that holds the queue again makes those behind it wait", () => {
  const order = new Order(() => {});
  const ran: string[] = [];
  order.hold();
  order.run(() => order.hold());
  order.run(() => ran.push("after"));
  order.release();
  expect([order.held, ran]).toEqual([true, []]);
  order.release();
  expect(ran).toEqual(["after"]);
});
