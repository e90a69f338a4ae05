/**
 * metrics-route.ts — what a daemon counts, for Prometheus: /v1/metrics.
 * Read first: metric-family.ts.
 */
import type { FastifyInstance } from 'fastify';

/** @param texts what there is to tell, each a text of whole families */
export function addMetricsRoute(app: FastifyInstance, texts: readonly (() => string)[]): void {
  const content = { 'text/plain': { schema: { type: 'string' } } };
  app.get('/v1/metrics', { schema: { summary: 'What is counted of the datapath and of protected machines, for Prometheus', response: { 200: { description: 'Text format 0.0.4', content } } } }, (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(texts.map((text) => text()).join('')));
}
