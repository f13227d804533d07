/** A request that is held open until its increment is answered. */
import type { FastifyReply } from 'fastify';
import { sendError, unavailable } from '../api/answers.ts';
import { connectionOf, watchDelivery } from './delivery.ts';
import type { Requester } from './held-increment.ts';
import type { HeldIncrements } from './held-increments.ts';
import type { Increment, Outcome } from './increment.ts';
import { senderOf } from './sender.ts';

export type Answer = (outcome: Exclude<Outcome, { is: 'unavailable' }>) => void;

/** An increment as its body states it. */
export type Unsent = Omit<Increment, 'connection' | 'sender'>;

/** Answers now, or when the slots are granted. */
export function holdOpen(
  increments: HeldIncrements,
  reply: FastifyReply,
  increment: Unsent,
  answer: Answer,
): FastifyReply {
  const requester: Requester = {
    answer: (outcome) => {
      if (outcome.is === 'unavailable') sendError(reply, unavailable());
      else answer(outcome);
    },
  };
  const isConnected = watchDelivery(reply.raw, {
    written: () => increments.written(requester),
    arrived: () => increments.arrived(requester),
    ended: (how) => increments.ended(requester, how),
  });
  const sent = { sender: senderOf(reply.request), connection: connectionOf(reply.raw) };
  if (isConnected) increments.ask({ ...increment, ...sent }, requester);
  return reply;
}
