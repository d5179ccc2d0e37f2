/* The reader that people write in C with libnetfilter_queue: one verdict for each packet. For bench/gateway.ts. */
#include <arpa/inet.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int judge(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *context) {
  (void)message;
  (void)context;
  struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
  return nfq_set_verdict(queue, header ? ntohl(header->packet_id) : 0, NF_ACCEPT, 0, NULL);
}

int main(int count, char **arguments) {
  static char buffer[65536] __attribute__((aligned));
  struct nfq_handle *handle = nfq_open();
  struct nfq_q_handle *queue = handle && count > 1 ? nfq_create_queue(handle, atoi(arguments[1]), &judge, NULL) : NULL;
  if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, 1600) < 0) return 1;
  nfq_set_queue_maxlen(queue, 4096);
  /* What overflows is lost, so that what arrives was judged. */
  nfq_set_queue_flags(queue, NFQA_CFG_F_GSO, NFQA_CFG_F_GSO);
  setsockopt(nfq_fd(handle), 270, NETLINK_NO_ENOBUFS, &(int){1}, sizeof(int));
  nfnl_rcvbufsiz(nfq_nfnlh(handle), 8 << 20);
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t received = recv(nfq_fd(handle), buffer, sizeof buffer, 0);
    if (received > 0) nfq_handle_packet(handle, buffer, (int)received);
  }
}
