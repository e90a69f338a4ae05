/*
 * forward.c — the short path of a switch and router in C, over the tables and frames of forward-lab.mjs: the peer of forward/forward and forward/bridge.
 *
 *     forward IMAGE    reads lines "KIND FILLING" (KIND: 4, 6 or b), answers each with the processor time of eight passes over that filling, in ns a frame
 *
 * IMAGE is words: their number of sections, offset and length (in words) of each, the sections in the order of `enum section`. Tables are used where they lie, by the rules
 * of packages/core/src/fwd: the same checks in the same order, and the frame that was sent on is noted the same way.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum section { S_SCALARS, S_IF_AT, S_IFS, S_IF_OF_PORT, S_ADJ, S_HOPS, S_NEIGH4, S_NEIGH6, S_FDB, S_MARKS, S_FIB4, S_FIB6, S_OWN4, S_OWN6, S_LOAD4, S_LOAD6, S_LOADB };
enum { SLOTS = 4096, SLOT = 2048, AT = 64, FRAME = 64, BATCH = 64, PASSES = 8, PORTS = 16 };
enum { IF_IN = 1, IF_OUT = 2, IF_FWD4 = 4, IF_FWD6 = 8, IF_MEMBER = 0x10, IF_LEARN = 0x20, IF_BRFWD = 0x40, IF_PRIVATE = 0x80, IF_BRIDGE = 0x100, IF_VLAN = 0x200, IF_VNET_HDR = 0x800 };
enum { HOP_VALID = 1, HOP_GATEWAY = 2, HOP_SPECIAL = 0x3c, HOP_GROUP = 0x1000000 };
enum { LOCAL_VID = 0xfff };

/* Records of fwd-if.ts and nhop-table.ts. */
struct iface { int32_t flags, index, port, mac_hi, mac_lo, set, parent, tag, bridge, cell, spare[6]; };
struct hop { int32_t flags, ifindex, mtu, spare; uint32_t gw[4]; };
struct cell { uint64_t ipackets, ibytes, opackets, obytes, spare[60]; };
struct map3 { const int32_t *words; int32_t *marks; uint32_t key, mask; };
struct map5 { const int32_t *words; uint32_t key, mask; };

static int32_t *image;
static const int32_t *if_at, *if_of_port, *adj, *fib4, *fib6;
/* The same words where they have 16 bits; else null. */
static const int16_t *narrow4;
static const struct iface *ifs;
static const struct hop *hops;
static const uint32_t *own4, *own6;
static uint32_t own4_mask, own6_mask;
static struct map3 neigh4, fdb;
static struct map5 neigh6;
static int root4, stride4, root6, round_now;
static struct cell *cells;
static uint64_t forwarded4, forwarded6;
static uint8_t *pool;
static struct { int32_t port; uint32_t at, len; } out[BATCH];

static uint16_t get16(const uint8_t *p) { uint16_t x; memcpy(&x, p, 2); return __builtin_bswap16(x); }
static uint32_t get32(const uint8_t *p) { uint32_t x; memcpy(&x, p, 4); return __builtin_bswap32(x); }
static void put16(uint8_t *p, uint16_t x) { x = __builtin_bswap16(x); memcpy(p, &x, 2); }
static void put32(uint8_t *p, uint32_t x) { x = __builtin_bswap32(x); memcpy(p, &x, 4); }

static uint32_t hash3(uint32_t k0, uint32_t k1, uint32_t k2) {
	uint32_t h = (k0 * 0x9e3779b1u) ^ (k1 * 0x85ebca6bu) ^ (k2 * 0xc2b2ae35u);
	h ^= h >> 15;
	h *= 0x2c1b3c6du;
	return h ^ (h >> 13);
}

/* Place of the value; -1 when there is none. */
static int place3(const struct map3 *m, int32_t k0, int32_t k1, int32_t k2) {
	for (uint32_t i = hash3(k0 ^ m->key, k1, k2) & m->mask;; i = (i + 1) & m->mask) {
		const int32_t *w = m->words + (i << 2);
		if (w[3] == 0) return -1;
		if (w[0] == k0 && w[1] == k1 && w[2] == k2) return w[3] > 0 ? (int)(i << 2) + 3 : -1;
	}
}

static int find3(const struct map3 *m, int32_t k0, int32_t k1, int32_t k2) {
	int at = place3(m, k0, k1, k2);
	return at < 0 ? 0 : m->words[at];
}

static int find5(const struct map5 *m, int32_t k0, int32_t k1, int32_t k2, int32_t k3, int32_t k4) {
	for (uint32_t i = hash3(hash3(k0 ^ m->key, k1, k2), k3, k4) & m->mask;; i = (i + 1) & m->mask) {
		const int32_t *w = m->words + (i << 3);
		if (w[5] == 0) return 0;
		if (w[0] == k0 && w[1] == k1 && w[2] == k2 && w[3] == k3 && w[4] == k4) return w[5] > 0 ? w[5] : 0;
	}
}

static int is_own4(uint32_t addr) {
	uint32_t h = addr * 0x9e3779b1u;
	for (uint32_t i = (h ^ (h >> 15)) & own4_mask; own4[i] != 0; i = (i + 1) & own4_mask)
		if (own4[i] == addr) return addr != 0xffffffff;
	return 0;
}

static int is_own6(const uint32_t *a) {
	uint32_t h = (a[0] ^ (a[1] * 0x85ebca6bu)) * 0x9e3779b1u;
	h = (h ^ (h >> 15) ^ a[2]) * 0xc2b2ae35u;
	h = (h ^ (h >> 13) ^ a[3]) * 0x27d4eb2fu;
	for (uint32_t at = (h ^ (h >> 15)) & own6_mask & ~3u;; at = (at + 4) & own6_mask) {
		const uint32_t *w = own6 + at;
		if (w[3] == a[3] && w[0] == a[0] && w[1] == a[1] && w[2] == a[2]) return (a[0] | a[1] | a[2] | a[3]) != 0 && (a[0] & a[1] & a[2] & a[3]) != 0xffffffff;
		if ((w[0] | w[1] | w[2] | w[3]) == 0) return 0;
	}
}

static int special4(uint32_t a) { return a >> 24 >= 224 || a >> 24 == 0 || a >> 24 == 127 || a >> 16 == 0xa9fe; }
static int special6(const uint32_t *a) { return a[0] >> 24 == 0xff || (a[0] & 0xffc00000) == 0xfe800000 || (a[0] | a[1]) == 0; }

static inline int32_t word4(uint32_t at) { return narrow4 ? narrow4[at] : fib4[at]; }

static uint32_t lookup4(uint32_t dst) {
	int shift = 32 - root4;
	int32_t e = word4(dst >> shift);
	while (e < 0) {
		shift -= stride4;
		e = word4((1u << root4) + ((uint32_t)~e << stride4) + ((dst >> shift) & ((1 << stride4) - 1)));
	}
	return e;
}

/* Do the first `n` bits differ from the key? */
static int differs(const int32_t *key, int n, const uint32_t *a) {
	for (int i = 0; i < 4 && n > 0; i++, n -= 32) {
		uint32_t mask = n >= 32 ? 0xffffffff : ~(0xffffffffu >> n);
		if (((uint32_t)key[i] ^ a[i]) & mask) return 1;
	}
	return 0;
}

static uint32_t lookup6(const uint32_t *a) {
	int32_t e = fib6[a[0] >> (32 - root6)];
	int depth = root6;
	while (e < 0) {
		const int32_t *node = fib6 + (e & 0x3fffffff);
		if (e & 0x40000000) {
			depth = node[17];
			if (differs(node + 18, depth, a)) { e = node[16]; break; }
		}
		e = node[(a[depth >> 5] >> (28 - (depth & 31))) & 15];
		depth += 4;
	}
	return e == 0 ? fib6[1 << root6] : e;
}

static int checked4(const uint8_t *ip, unsigned len) {
	if (len < 20 || ip[0] >> 4 != 4) return 0;
	unsigned hl = (ip[0] & 15) << 2, total = get16(ip + 2);
	if (hl < 20 || hl > len) return 0;
	uint32_t sum = 0;
	for (unsigned i = 0; i < hl; i += 2) sum += get16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff && total >= hl && total <= len;
}

/* The packet leaves with a new link header; what is noted of it is in `out`. */
static int leave(uint8_t *eth, const struct iface *to, int adjacency, unsigned type, unsigned total, int n) {
	put16(eth, adj[adjacency * 2]);
	put32(eth + 2, adj[adjacency * 2 + 1]);
	put16(eth + 6, to->mac_hi);
	put32(eth + 8, to->mac_lo);
	put16(eth + 12, type);
	cells[to->cell].opackets++;
	cells[to->cell].obytes += 14 + total;
	out[n].port = to->port;
	out[n].at = eth - pool;
	out[n].len = 14 + total;
	return n + 1;
}

/* The interface at the other end of a next hop; null where this path does not go. */
static const struct iface *through(int index) {
	const struct iface *to = ifs + if_at[index];
	if (!(to->flags & IF_OUT) || to->flags & (IF_MEMBER | IF_BRIDGE | IF_VLAN | IF_VNET_HDR) || to->port < 0) return NULL;
	return to;
}

static int route4(uint8_t *eth, const struct iface *in, unsigned len, int n) {
	uint8_t *ip = eth + 14;
	if (!(in->flags & IF_FWD4) || !checked4(ip, len - 14) || ip[0] != 0x45) return n;
	uint32_t dst = get32(ip + 16);
	unsigned total = get16(ip + 2);
	if (special4(dst) || special4(get32(ip + 12)) || is_own4(dst) || ip[8] <= 1) return n;
	uint32_t value = lookup4(dst);
	if (value == 0 || value >= HOP_GROUP) return n;
	const struct hop *h = hops + value;
	if (h->flags & HOP_SPECIAL || !(h->flags & HOP_VALID) || h->ifindex == in->index || (int)total > h->mtu) return n;
	int adjacency = find3(&neigh4, h->ifindex, h->flags & HOP_GATEWAY ? h->gw[0] : dst, 0);
	const struct iface *to = through(h->ifindex);
	if (adjacency == 0 || !to) return n;
	uint32_t sum = get16(ip + 10) + 0x100;
	ip[8]--;
	put16(ip + 10, sum >= 0xffff ? sum - 0xffff : sum);
	forwarded4++;
	return leave(eth, to, adjacency, 0x0800, total, n);
}

static int route6(uint8_t *eth, const struct iface *in, unsigned len, int n) {
	uint8_t *ip = eth + 14;
	if (!(in->flags & IF_FWD6) || len < 54 || ip[0] >> 4 != 6 || ip[6] == 0) return n;
	unsigned total = 40 + get16(ip + 4);
	uint32_t src[2] = { get32(ip + 8), get32(ip + 12) };
	uint32_t dst[4] = { get32(ip + 24), get32(ip + 28), get32(ip + 32), get32(ip + 36) };
	if (total > len - 14 || special6(dst) || special6(src) || is_own6(dst) || ip[7] <= 1) return n;
	uint32_t value = lookup6(dst);
	if (value == 0 || value >= HOP_GROUP) return n;
	const struct hop *h = hops + value;
	if (h->flags & HOP_SPECIAL || !(h->flags & HOP_VALID) || h->ifindex == in->index || (int)total > h->mtu) return n;
	const uint32_t *next = h->flags & HOP_GATEWAY ? h->gw : dst;
	int adjacency = find5(&neigh6, h->ifindex, next[0], next[1], next[2], next[3]);
	const struct iface *to = through(h->ifindex);
	if (adjacency == 0 || !to) return n;
	ip[7]--;
	forwarded6++;
	return leave(eth, to, adjacency, 0x86dd, total, n);
}

static int is_tag(unsigned type) { return type == 0x8100 || type == 0x88a8; }

static int bridged(uint8_t *eth, const struct iface *in, unsigned len, int n) {
	const struct iface *bridge = ifs + if_at[in->bridge];
	if (!(bridge->flags & IF_IN) || !(in->flags & IF_BRFWD)) return n;
	int tagged = is_tag(get16(eth + 12));
	if (tagged && len < 18) return n;
	uint32_t vid = tagged ? get16(eth + 14) & 0xfff : 0;
	if (in->flags & IF_LEARN) {
		int place = place3(&fdb, get32(eth + 8), get16(eth + 6) << 12 | vid, in->bridge);
		if (place < 0 || fdb.words[place] != in->index) return n;
		if (fdb.marks[place >> 2] != round_now) fdb.marks[place >> 2] = round_now;
	} else if (find3(&fdb, get32(eth + 8), get16(eth + 6) << 12 | LOCAL_VID, in->bridge)) {
		return n;
	}
	uint32_t lo = get32(eth + 2), hi = get16(eth) << 12;
	if (find3(&fdb, lo, hi | LOCAL_VID, in->bridge)) return n;
	int index = find3(&fdb, lo, hi | vid, in->bridge);
	if (index == 0 || index == in->index) return n;
	const struct iface *to = ifs + if_at[index];
	if (!(to->flags & IF_BRFWD) || to->flags & in->flags & IF_PRIVATE || to->flags & (IF_VLAN | IF_VNET_HDR) || !(to->flags & IF_OUT) || to->port < 0) return n;
	unsigned body = len - (tagged ? 4 : 0);
	cells[bridge->cell].ipackets++;
	cells[bridge->cell].ibytes += body;
	cells[bridge->cell].opackets++;
	cells[bridge->cell].obytes += body;
	cells[to->cell].opackets++;
	cells[to->cell].obytes += body;
	out[n].port = to->port;
	out[n].at = eth - pool;
	out[n].len = len;
	return n + 1;
}

static int forward(int port, uint8_t *eth, unsigned len, int n) {
	const struct iface *in = ifs + if_at[if_of_port[port]];
	if (len < 14 || !(in->flags & IF_IN) || in->flags & IF_VNET_HDR || eth[0] & 1) return n;
	int sent = n;
	if (in->flags & IF_MEMBER) {
		sent = bridged(eth, in, len, n);
	} else {
		unsigned type = get16(eth + 12);
		if (is_tag(type) || (int32_t)get32(eth + 2) != in->mac_lo || get16(eth) != in->mac_hi) return n;
		if (type == 0x0800) sent = route4(eth, in, len, n);
		else if (type == 0x86dd) sent = route6(eth, in, len, n);
	}
	if (sent == n) return n;
	cells[in->cell].ipackets++;
	cells[in->cell].ibytes += len;
	return sent;
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int32_t *section(int s) { return image + image[1 + 2 * s]; }
static int32_t words(int s) { return image[2 + 2 * s]; }

static void attach(void) {
	const int32_t *scalars = section(S_SCALARS);
	root4 = scalars[0], stride4 = scalars[1], root6 = scalars[2], round_now = scalars[3];
	if_at = section(S_IF_AT), if_of_port = section(S_IF_OF_PORT), adj = section(S_ADJ), fib4 = section(S_FIB4), fib6 = section(S_FIB6);
	narrow4 = scalars[7] == 2 ? (const int16_t *)fib4 : NULL;
	ifs = (struct iface *)section(S_IFS), hops = (struct hop *)section(S_HOPS);
	own4 = (uint32_t *)section(S_OWN4), own4_mask = words(S_OWN4) - 1;
	own6 = (uint32_t *)section(S_OWN6), own6_mask = words(S_OWN6) - 1;
	neigh4 = (struct map3){ section(S_NEIGH4), NULL, scalars[4], words(S_NEIGH4) / 4 - 1 };
	neigh6 = (struct map5){ section(S_NEIGH6), scalars[5], words(S_NEIGH6) / 8 - 1 };
	fdb = (struct map3){ section(S_FDB), section(S_MARKS), scalars[6], words(S_FDB) / 4 - 1 };
}

static void die(const char *what) {
	fprintf(stderr, "forward: %s\n", what);
	exit(1);
}

static void load(const char *path) {
	FILE *f = fopen(path, "rb");
	long bytes;
	if (!f || fseek(f, 0, SEEK_END) || (bytes = ftell(f)) <= 0) die(path);
	rewind(f);
	image = aligned_alloc(4096, (bytes + 4095) & ~4095L);
	if (!image || fread(image, 1, bytes, f) != (size_t)bytes) die(path);
	fclose(f);
}

int main(int argc, char **argv) {
	if (argc != 2) die("usage: forward IMAGE");
	load(argv[1]);
	attach();
	pool = aligned_alloc(4096, (size_t)SLOTS * SLOT);
	cells = calloc(4096, sizeof *cells);
	if (!pool || !cells) die("no memory");
	memset(pool, 0, (size_t)SLOTS * SLOT);
	char kind;
	int filling;
	while (scanf(" %c %d", &kind, &filling) == 2) {
		const uint8_t *frames = (uint8_t *)section(kind == '4' ? S_LOAD4 : kind == '6' ? S_LOAD6 : S_LOADB) + (size_t)filling * SLOTS * FRAME;
		int first = kind == 'b' ? PORTS : 0;
		for (int slot = 0; slot < SLOTS; slot++) memcpy(pool + slot * SLOT + AT, frames + slot * FRAME, FRAME);
		long sent = 0;
		double begun = now();
		for (int pass = 0; pass < PASSES; pass++)
			for (int batch = 0; batch < SLOTS / BATCH; batch++) {
				int n = 0;
				for (int slot = batch * BATCH; slot < (batch + 1) * BATCH; slot++) n = forward(first + (batch & (PORTS - 1)), pool + slot * SLOT + AT, FRAME, n);
				sent += n;
			}
		double ns = now() - begun;
		if (sent != PASSES * SLOTS) die("frames were not forwarded");
		printf("%.3f\n", ns / sent);
		fflush(stdout);
	}
	return 0;
}
