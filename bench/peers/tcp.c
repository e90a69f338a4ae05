/*
 * tcp.c: TCP over the kernel's loopback with both ends in one thread, as the benchmark has both in one thread; and an end for another host.
 *
 * The first three measure processor time, not the clock.
 *
 *     tcp bulk BYTES CHUNK      bytes through one connection: Gbit/s
 *     tcp conn COUNT            connect, a byte each way, the server closes first: connections a second
 *     tcp rr COUNT              a byte there and back: microseconds
 *     tcp serve ADDRESS PORT    one connection. Its first byte says what: U, count what comes and answer with Gbit/s; D, send until it is closed
 *     tcp send|recv ADDRESS PORT SECONDS   the other end of that: Gbit/s
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 18];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Of this process, the kernel's share included. */
static double used(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in name(const char *address, int port) {
  struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
  if (inet_pton(AF_INET, address, &sa.sin_addr) != 1) fail(address);
  return sa;
}

static int listener(struct sockaddr_in *sa) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  socklen_t len = sizeof *sa;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)sa, len) != 0 || listen(fd, 128) != 0) fail("listen");
  getsockname(fd, (struct sockaddr *)sa, &len);
  return fd;
}

static int dial(const struct sockaddr_in *sa) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

static double bulk(long long total, long chunk) {
  struct sockaddr_in sa = name("127.0.0.1", 0);
  int l = listener(&sa), a = dial(&sa), b = accept(l, NULL, NULL);
  long long sent = 0, got = 0;
  double t0 = used();
  nonblocking(a);
  nonblocking(b);
  while (got < total) {
    ssize_t n;
    while (sent < total && (n = write(a, buffer, chunk)) > 0) sent += n;
    while ((n = read(b, buffer, chunk)) > 0) got += n;
  }
  return got * 8 / (used() - t0) / 1e9;
}

static double conn(long count) {
  struct sockaddr_in sa = name("127.0.0.1", 0);
  int l = listener(&sa);
  double t0 = used();
  for (long i = 0; i < count; i++) {
    int a = dial(&sa), b = accept(l, NULL, NULL);
    if (write(a, "x", 1) != 1 || read(b, buffer, 1) != 1 || write(b, "y", 1) != 1) fail("conn");
    close(b);
    if (read(a, buffer, 2) != 1 || read(a, buffer, 2) != 0) fail("conn");
    close(a);
  }
  return count / (used() - t0);
}

static double rr(long count) {
  struct sockaddr_in sa = name("127.0.0.1", 0);
  int l = listener(&sa), a = dial(&sa), b = accept(l, NULL, NULL), one = 1;
  setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  double t0 = used();
  for (long i = 0; i < count; i++)
    if (write(a, "x", 1) != 1 || read(b, buffer, 1) != 1 || write(b, "y", 1) != 1 || read(a, buffer, 1) != 1) fail("rr");
  return (used() - t0) / count * 1e6;
}

static double drain(int fd, double seconds) {
  long long got = 0;
  double t0 = now(), t;
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) {
    got += n;
    if (seconds > 0 && now() - t0 > seconds) break;
  }
  t = now() - t0;
  return got * 8 / t / 1e9;
}

static void serve(const char *address, int port) {
  struct sockaddr_in sa = name(address, port);
  int l = listener(&sa), fd;
  char what, text[32];
  printf("listening\n");
  fflush(stdout);
  fd = accept(l, NULL, NULL);
  if (read(fd, &what, 1) != 1) fail("serve");
  if (what == 'U') {
    int n = snprintf(text, sizeof text, "%.6f\n", drain(fd, 0));
    if (write(fd, text, n) != n) fail("serve");
  } else {
    while (write(fd, buffer, sizeof buffer) > 0) {}
  }
  close(fd);
}

static double client(int up, const char *address, int port, double seconds) {
  struct sockaddr_in sa = name(address, port);
  int fd = dial(&sa);
  char text[32] = "";
  if (write(fd, up ? "U" : "D", 1) != 1) fail("client");
  if (!up) return drain(fd, seconds);
  for (double t0 = now(); now() - t0 < seconds;)
    if (write(fd, buffer, sizeof buffer) < 0) fail("client");
  shutdown(fd, SHUT_WR);
  if (read(fd, text, sizeof text - 1) <= 0) fail("client");
  return atof(text);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  signal(SIGPIPE, SIG_IGN);
  if (strcmp(mode, "bulk") == 0 && argc == 4) printf("%f\n", bulk(atoll(argv[2]), atol(argv[3])));
  else if (strcmp(mode, "conn") == 0 && argc == 3) printf("%f\n", conn(atol(argv[2])));
  else if (strcmp(mode, "rr") == 0 && argc == 3) printf("%f\n", rr(atol(argv[2])));
  else if (strcmp(mode, "serve") == 0 && argc == 4) serve(argv[2], atoi(argv[3]));
  else if ((strcmp(mode, "send") == 0 || strcmp(mode, "recv") == 0) && argc == 5)
    printf("%f\n", client(mode[0] == 's', argv[2], atoi(argv[3]), atof(argv[4])));
  else return fprintf(stderr, "usage: see the file\n"), 64;
  return 0;
}
