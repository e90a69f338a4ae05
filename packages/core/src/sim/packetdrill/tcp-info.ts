export const tcpInfoValue = (_i: object, _n: string): number | null => null;
export const countTcpState = (_v: unknown, _s: string): number => 0;
