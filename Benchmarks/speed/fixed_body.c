// libmicrohttpd that answers every request with a body of so many bytes: the ceiling for a service
// over it. One thread, an event loop of its own, connections with the same room as `ntm serve`'s.
//
//   fixed_body PORT BYTES

#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct MHD_Response *response;

static enum MHD_Result handle(void *closure, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **request) {
  (void)closure, (void)url, (void)method, (void)version, (void)data;
  // The first call comes before the body; the last one has none left.
  if (*request == NULL) {
    *request = response;
    return MHD_YES;
  }
  if (*size > 0) {
    *size = 0;
    return MHD_YES;
  }
  return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: fixed_body PORT BYTES\n");
    return 2;
  }
  size_t bytes = strtoul(arguments[2], NULL, 10);
  char *body = malloc(bytes + 1);
  memset(body, '1', bytes);
  response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_PERSISTENT);
  MHD_add_response_header(response, "Content-Type", "application/json");
  struct MHD_Daemon *daemon =
      MHD_start_daemon(MHD_USE_EPOLL, (uint16_t)atoi(arguments[1]), NULL, NULL, handle, NULL,
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192,
                       MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
  if (daemon == NULL) {
    fprintf(stderr, "no daemon on port %s\n", arguments[1]);
    return 1;
  }
  int events = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  for (;;) {
    MHD_UNSIGNED_LONG_LONG timeout;
    struct pollfd ready = {.fd = events, .events = POLLIN};
    poll(&ready, 1, MHD_get_timeout(daemon, &timeout) == MHD_YES ? (int)timeout : -1);
    MHD_run(daemon);
  }
}
