/*
 * Measures a path: probe echo|sink PORT on one side; on the other probe ping ADDRESS PORT COUNT (round trips of UDP, prints
 * microseconds p50 and p99), probe connect ADDRESS PORT SECONDS (prints TCP connections each second) or probe flood ADDRESS PORT
 * SECONDS (datagrams of 600 bytes from 64 ports, as fast as they go). For bench/gateway.ts.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static struct sockaddr_in place(const char *address, const char *port) {
  struct sockaddr_in made = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  made.sin_addr.s_addr = address ? inet_addr(address) : INADDR_ANY;
  return made;
}

static int ping(struct sockaddr_in to, int rounds) {
  char byte[32] = {0};
  double *times = calloc((size_t)rounds, sizeof *times);
  struct timeval patience = {1, 0};
  int good = 0;
  for (int i = 0; i < rounds; i++) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0); /* A new flow each time: the packet is queued. */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    double start = now();
    sendto(fd, byte, sizeof byte, 0, (struct sockaddr *)&to, sizeof to);
    if (recv(fd, byte, sizeof byte, 0) > 0) times[good++] = now() - start;
    close(fd);
  }
  if (good == 0) return 1;
  qsort(times, (size_t)good, sizeof *times, ascending);
  printf("%.1f %.1f %d\n", times[good / 2] * 1e6, times[(int)(good * 0.99)] * 1e6, good);
  return 0;
}

static int connects(struct sockaddr_in to, double seconds) {
  struct linger reset = {1, 0};
  int count = 0;
  double start = now();
  while (now() - start < seconds) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char byte = 'x';
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1) count++;
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
  }
  printf("%.0f\n", count / (now() - start));
  return 0;
}

static int flood(struct sockaddr_in to, double seconds) {
  static char bytes[600];
  struct iovec part = {bytes, sizeof bytes};
  struct mmsghdr messages[64] = {0};
  int fds[64];
  for (int i = 0; i < 64; i++) {
    messages[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &part, .msg_iovlen = 1};
    fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    /* The same flows each time. */
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(20000 + i))};
    if (bind(fds[i], (struct sockaddr *)&own, sizeof own) != 0) return 1;
  }
  for (double start = now(); now() - start < seconds;)
    for (int i = 0; i < 64; i++) sendmmsg(fds[i], messages, 64, 0);
  return 0;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  const char *mode = arguments[1];
  if (!strcmp(mode, "ping") && count == 5) return ping(place(arguments[2], arguments[3]), atoi(arguments[4]));
  if (!strcmp(mode, "connect") && count == 5) return connects(place(arguments[2], arguments[3]), atof(arguments[4]));
  if (!strcmp(mode, "flood") && count == 5) return flood(place(arguments[2], arguments[3]), atof(arguments[4]));
  struct sockaddr_in own = place(NULL, arguments[2]);
  int isEcho = !strcmp(mode, "echo"), yes = 1;
  int fd = socket(AF_INET, isEcho ? SOCK_DGRAM : SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) return 1;
  if (!isEcho) listen(fd, 4096);
  for (char buffer[2048];;) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    if (isEcho) {
      ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
      if (got > 0) sendto(fd, buffer, (size_t)got, 0, (struct sockaddr *)&from, size);
    } else {
      int peer = accept(fd, (struct sockaddr *)&from, &size);
      if (peer >= 0 && recv(peer, buffer, 1, 0) == 1) send(peer, buffer, 1, MSG_NOSIGNAL);
      close(peer);
    }
  }
}
