/*
 * vring.c — frames from one split virtqueue through a packet into another, as a vhost-user port does it, in C: the peer of vhost/ring-*.
 *
 *     vring FRAME PIECES BUFFER BATCH    prints frames a second
 *
 * FRAME bytes behind a header of twelve lie in PIECES buffers, reached through an indirect table when there are more than one; receive buffers have BUFFER
 * bytes and are merged. Every descriptor is read once and its address looked up in a table of regions. BATCH frames are one publication of each ring.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NUM = 256, HDR = 12, MEMORY = 1 << 26, PIECES_MAX = 1024 };
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct ring {
	struct desc *desc;
	uint16_t *avail; /* flags, idx, ring, used_event */
	uint16_t *used;  /* flags, idx, then {u32 id, u32 len}, avail_event */
	uint16_t next, given;
};
struct region { uint64_t start, end; char *mem; };
struct piece { char *mem; uint32_t len; };

static struct region regions[2];
static struct piece pieces[PIECES_MAX];
static int count;
static uint64_t bytes;

static char *lookup(uint64_t addr, uint64_t len) {
	for (int i = 0; i < 2; i++)
		if (addr >= regions[i].start && addr + len <= regions[i].end) return regions[i].mem + (addr - regions[i].start);
	exit(1);
}

static void gather(const struct ring *r, unsigned head, int writable) {
	const struct desc *table = r->desc;
	unsigned size = NUM, index = head;
	for (unsigned left = size; left > 0; left--) {
		struct desc d = *(volatile struct desc *)&table[index];
		if (d.flags & F_INDIRECT) {
			table = (struct desc *)lookup(d.addr, d.len);
			size = d.len / sizeof d;
			left = size + 1;
			index = 0;
			continue;
		}
		if (!!(d.flags & F_WRITE) != writable || count == PIECES_MAX) exit(1);
		pieces[count].mem = lookup(d.addr, d.len);
		pieces[count++].len = d.len;
		bytes += d.len;
		if (!(d.flags & F_NEXT)) return;
		if (d.next >= size) exit(1);
		index = d.next;
	}
	exit(1);
}

/* Copies between the pieces, from byte `from` on, and `buf`. */
static void transfer(uint64_t from, char *buf, uint64_t len, int write) {
	int i = 0;
	while (from >= pieces[i].len) from -= pieces[i++].len;
	for (; len > 0; i++) {
		uint64_t n = pieces[i].len - from < len ? pieces[i].len - from : len;
		if (write) memcpy(pieces[i].mem + from, buf, n);
		else memcpy(buf, pieces[i].mem + from, n);
		buf += n;
		len -= n;
		from = 0;
	}
}

static void give(struct ring *r, uint32_t head, uint32_t len) {
	uint32_t *e = (uint32_t *)(r->used + 2) + 2 * (r->given++ % NUM);
	e[0] = head;
	e[1] = len;
}

static void publish(struct ring *r) {
	atomic_store((_Atomic uint16_t *)&r->used[1], r->given);
}

static unsigned waiting(const struct ring *r) {
	return (uint16_t)(atomic_load((_Atomic uint16_t *)&r->avail[1]) - r->next);
}

static void forward(struct ring *tx, struct ring *rx, char **packets, unsigned *lens) {
	unsigned n = waiting(tx);
	for (unsigned k = 0; k < n; k++) {
		unsigned head = tx->avail[2 + tx->next++ % NUM];
		char hdr[HDR];
		count = 0, bytes = 0;
		gather(tx, head, 0);
		transfer(0, hdr, HDR, 0);
		lens[k] = bytes - HDR;
		transfer(HDR, packets[k], lens[k], 0);
		give(tx, head, 0);
	}
	publish(tx);
	for (unsigned k = 0; k < n; k++) {
		uint32_t size = HDR + lens[k], left = size, heads[PIECES_MAX], room[PIECES_MAX];
		char hdr[HDR] = {0};
		unsigned buffers = 0;
		count = 0, bytes = 0;
		while (bytes < size) {
			uint64_t before = bytes;
			if (buffers == waiting(rx)) exit(1);
			heads[buffers] = rx->avail[2 + (uint16_t)(rx->next + buffers) % NUM];
			gather(rx, heads[buffers], 1);
			room[buffers++] = bytes - before;
		}
		hdr[10] = buffers, hdr[11] = buffers >> 8;
		transfer(0, hdr, HDR, 1);
		transfer(HDR, packets[k], lens[k], 1);
		for (unsigned i = 0; i < buffers; i++) {
			uint32_t written = room[i] < left ? room[i] : left;
			give(rx, heads[i], written);
			left -= written;
		}
		rx->next += buffers;
	}
	publish(rx);
}

static void make(struct ring *r) {
	r->desc = aligned_alloc(4096, NUM * sizeof *r->desc);
	r->avail = calloc(NUM + 3, 2);
	r->used = aligned_alloc(4096, 8192);
	memset(r->used, 0, 8192);
	r->next = r->given = 0;
	for (unsigned i = 0; i < NUM; i++) r->avail[2 + i] = i;
}

static double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
	if (argc != 5) return 64;
	unsigned frame = atoi(argv[1]), npieces = atoi(argv[2]), buffer = atoi(argv[3]), batch = atoi(argv[4]);
	unsigned per = (HDR + frame + buffer - 1) / buffer;
	char *packets[NUM];
	unsigned lens[NUM];
	struct ring tx, rx;
	make(&tx), make(&rx);
	for (unsigned i = 0; i < 2; i++) regions[i] = (struct region){(uint64_t)i << 32, ((uint64_t)i << 32) + MEMORY, aligned_alloc(4096, MEMORY)}, memset(regions[i].mem, i, MEMORY);
	for (unsigned i = 0; i < NUM; i++) {
		uint64_t slot = MEMORY / NUM * (uint64_t)i, table = slot + 80000;
		packets[i] = malloc(70000);
		if (npieces == 1) tx.desc[i] = (struct desc){slot, HDR + frame, 0, 0};
		else {
			struct desc *t = (struct desc *)(regions[0].mem + table);
			unsigned part = (HDR + frame) / npieces;
			for (unsigned j = 0; j < npieces; j++)
				t[j] = (struct desc){slot + j * part, j < npieces - 1 ? part : HDR + frame - j * part, j < npieces - 1 ? F_NEXT : 0, j + 1};
			tx.desc[i] = (struct desc){table, npieces * sizeof *t, F_INDIRECT, 0};
		}
		rx.desc[i] = (struct desc){((uint64_t)1 << 32) + slot, buffer, F_WRITE, 0};
	}
	unsigned long frames = 0;
	uint16_t atx = 0, arx = 0;
	double begun = seconds();
	while (seconds() - begun < 0.3) {
		for (unsigned i = 0; i < 16; i++) {
			atomic_store((_Atomic uint16_t *)&tx.avail[1], atx += batch);
			atomic_store((_Atomic uint16_t *)&rx.avail[1], arx += batch * per);
			forward(&tx, &rx, packets, lens);
		}
		frames += 16 * batch;
	}
	printf("%.0f\n", frames / (seconds() - begun));
	return 0;
}
