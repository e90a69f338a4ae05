/*
 * fib.c - the peer of the `fib/c` benchmarks: the compiled tables of packages/core/src/fwd/fib4.ts and fib6.ts, word for word, looked up by a plain loop in C.
 *
 *     fib 4 TABLE ROOT_BITS STRIDE BYTES KEYS...    BYTES: of a word
 *     fib 6 TABLE ROOT_BITS PLAIN_BITS 4 KEYS...
 *
 * Stays, and answers each line N with millions of look-ups a second of the N-th file of keys, by CPU time, and each line "h N" with a sum over the answers.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILES_MAX = 8 };

static int root, step;
static const int16_t *narrow;
static const int32_t *wide;
static uint32_t *keys[FILES_MAX], *out;
static size_t nkeys;

static void die(const char *what)
{
	fprintf(stderr, "fib: %s\n", what);
	exit(1);
}

static void *load(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	void *data;
	long size;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) <= 0)
		die(path);
	*bytes = size;
	rewind(f);
	data = aligned_alloc(4096, (*bytes + 4095) & ~(size_t)4095);
	if (data == NULL || fread(data, 1, *bytes, f) != *bytes)
		die(path);
	fclose(f);
	return data;
}

/* The file of keys that a line asks for. */
static const uint32_t *keys_of(const char *number)
{
	unsigned long n = strtoul(number, NULL, 10);

	if (n >= FILES_MAX || keys[n] == NULL)
		die("no such file of keys");
	return keys[n];
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

#define LOOKUP4(name, word) \
static void name(const word *t, const uint32_t *k) \
{ \
	const int first = 32 - root, stride = step; \
	const uint32_t mask = (1u << stride) - 1; \
	const word *nodes = t + (1u << root); \
	for (size_t i = 0; i < nkeys; i++) { \
		int shift = first; \
		int32_t e = t[k[i] >> shift]; \
		while (e < 0) { \
			shift -= stride; \
			e = nodes[((size_t)~e << stride) + ((k[i] >> shift) & mask)]; \
		} \
		out[i] = e; \
	} \
}
LOOKUP4(lookup4_narrow, int16_t)
LOOKUP4(lookup4_wide, int32_t)

static int differs(const int32_t *key, int n, const uint32_t *a)
{
	for (int i = 0; n > 0; i++, n -= 32)
		if ((((uint32_t)key[i] ^ a[i]) & (n >= 32 ? ~0u : ~(~0u >> n))) != 0)
			return 1;
	return 0;
}

static void lookup6(const int32_t *t, const uint32_t *k)
{
	for (size_t i = 0; i < nkeys; i++) {
		const uint32_t *a = k + 4 * i;
		int32_t e = t[a[0] >> (32 - root)];
		int depth = root;

		while (e < 0) {
			const int32_t *node = t + (e & 0x3fffffff);
			if ((e & 0x40000000) != 0) {
				depth = node[17];
				if (differs(node + 18, depth, a)) {
					e = node[16];
					break;
				}
			}
			e = node[(a[depth >> 5] >> (28 - (depth & 31))) & 15];
			depth += 4;
		}
		out[i] = e == 0 ? t[1 << root] : e;
	}
}

static void once(int family, const uint32_t *k)
{
	if (family == 6)
		lookup6(wide, k);
	else if (narrow != NULL)
		lookup4_narrow(narrow, k);
	else
		lookup4_wide(wide, k);
}

int main(int argc, char **argv)
{
	char line[64];
	size_t bytes, key_bytes = 0;

	if (argc < 7 || argc - 6 > FILES_MAX)
		die("usage: fib 4|6 TABLE ROOT_BITS STRIDE|PLAIN_BITS BYTES KEYS...");
	int family = atoi(argv[1]);
	wide = load(argv[2], &bytes);
	root = atoi(argv[3]), step = atoi(argv[4]);
	narrow = atoi(argv[5]) == 2 ? (const int16_t *)wide : NULL;
	for (int i = 6; i < argc; i++)
		keys[i - 6] = load(argv[i], &key_bytes);
	nkeys = key_bytes / (family == 4 ? 4 : 16);
	out = calloc(nkeys, 4);
	if (out == NULL)
		die("no memory");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		const uint32_t *k = keys_of(line[0] == 'h' ? line + 1 : line);
		size_t done = 0;
		double t0 = cpu_us(), us = 0, sum = 0;

		do {
			once(family, k);
			done += nkeys;
			us = cpu_us() - t0;
		} while (us < 50000);
		for (size_t i = 0; i < nkeys; i++)
			sum += (double)out[i] * (1 + i % 1000);
		printf("%.17g\n", line[0] == 'h' ? sum : done / us);
		fflush(stdout);
	}
	return 0;
}
