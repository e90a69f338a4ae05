/**
 * gateway-routes.ts — gateways over HTTP: /v1/gateways.
 * Read first: gateways.ts; daemon/http-routes.ts.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ForwardRuleError } from './forward-rule.js';
import type { GatewayRequest, Gateways } from './gateways.js';
import { GatewayError } from './node-gateway.js';

const STRING = { type: 'string' } as const;
const BOOLEAN = { type: 'boolean' } as const;
const INTEGER = { type: 'integer' } as const;
const STRINGS = { type: 'array', items: STRING } as const;
const ERROR = { type: 'object', required: ['error'], properties: { error: { type: 'object', required: ['message'], properties: { message: STRING } } } } as const;
const FAILURES = { 400: ERROR, 500: ERROR } as const;

const GATEWAY = {
  type: 'object',
  properties: {
    vnet: STRING, interface: STRING, addresses: STRINGS, name: STRING, hostLoopback: BOOLEAN, restrict: BOOLEAN,
    forwards: { type: 'array', items: { type: 'object', properties: { rule: STRING, reverse: BOOLEAN } } },
    flows: { type: 'object', properties: { tcp: INTEGER, udp: INTEGER, echo: INTEGER } },
  },
} as const;
const FLOW = { type: 'object', properties: { proto: STRING, direction: STRING, guest: STRING, asked: STRING, host: STRING, state: STRING, idleUs: INTEGER } } as const;

const UP = {
  type: 'object',
  required: ['vnet'],
  additionalProperties: false,
  properties: {
    vnet: STRING, interface: { ...STRING, description: 'Who has the gateway\'s addresses; left out: an interface of its own' },
    address: { ...STRING, description: 'IPv4 address with prefix length' }, address6: { ...STRING, description: 'IPv6 address with prefix length' },
    hostLoopback: { ...BOOLEAN, description: 'Do its addresses lead to the loopback of the host (the default)' }, restrict: { ...BOOLEAN, description: 'Guests reach nothing beyond the host' },
    route: { ...BOOLEAN, description: 'Is it the default route (the default)' }, forward: STRINGS, reverse: STRINGS,
  },
} as const;
const RULES = { type: 'object', required: ['rules'], additionalProperties: false, properties: { rules: { ...STRING, description: 'tcp|udp:[ADDRESS]:PORT-ADDRESS:PORT, several with ";" between them' }, reverse: BOOLEAN } } as const;

/** Answers with what `work` gives, or with why it cannot be done. */
async function answer<T>(reply: FastifyReply, work: () => T | Promise<T>): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GatewayError || error instanceof ForwardRuleError) return reply.code(400).send({ error: { message: error.message } });
    throw error;
  }
}

export function addGatewayRoutes(app: FastifyInstance, gateways: Gateways): void {
  type Place = { vnet: string };
  type Rules = { rules: string; reverse?: boolean };
  app.get('/v1/gateways', { schema: { summary: 'Gateways of vnets to the host\'s network', response: { 200: { type: 'array', items: GATEWAY } } } }, () => gateways.list());
  app.post<{ Body: GatewayRequest & Place }>('/v1/gateways', { schema: { summary: 'Open the gateway of a vnet', body: UP, response: { 201: GATEWAY, ...FAILURES } } }, (request, reply) => {
    const { vnet, ...options } = request.body;
    return answer(reply, async () => {
      const view = await gateways.up(vnet, options);
      void reply.code(201);
      return view;
    });
  });
  app.delete<{ Params: Place }>('/v1/gateways/:vnet', { schema: { summary: 'Close a gateway', response: { 200: { type: 'object', properties: { vnet: STRING } }, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => {
      gateways.down(request.params.vnet);
      return { vnet: request.params.vnet };
    }));
  app.post<{ Params: Place; Body: Rules }>('/v1/gateways/:vnet/forwards', { schema: { summary: 'Add forwards', body: RULES, response: { 200: GATEWAY, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => gateways.forward(request.params.vnet, request.body.rules, request.body.reverse === true)));
  app.delete<{ Params: Place; Querystring: Rules }>('/v1/gateways/:vnet/forwards', { schema: { summary: 'Take forwards away', querystring: RULES, response: { 200: GATEWAY, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => gateways.unforward(request.params.vnet, request.query.rules, request.query.reverse === true)));
  app.get<{ Params: Place }>('/v1/gateways/:vnet/flows', { schema: { summary: 'Flows through a gateway', response: { 200: { type: 'array', items: FLOW }, ...FAILURES } } }, (request, reply) =>
    answer(reply, () => gateways.flows(request.params.vnet)));
}
