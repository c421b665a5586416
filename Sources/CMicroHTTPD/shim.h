// The part of libmicrohttpd that Swift sees, with wrappers for what Swift cannot call itself.
#pragma once
#include <microhttpd.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef __linux__
#include <sys/eventfd.h>
#else
#include <sys/select.h>
#include <unistd.h>
#endif

// Where libmicrohttpd's log goes, one formatted line at a time.
struct ntm_mhd_log {
  void (*write)(void *context, const char *line);
  void *context;
};

// What a daemon is started with. Everything pointed to, except the address, outlives the daemon.
struct ntm_mhd_settings {
  const struct sockaddr *address;
  size_t connection_memory;
  unsigned int connection_limit;
  unsigned int idle_seconds;
  // PEM, zero-terminated; both NULL for plain HTTP.
  const char *certificate;
  const char *private_key;
  MHD_AcceptPolicyCallback accept;
  MHD_NotifyConnectionCallback connection;
  void *(*target)(void *context, const char *target, struct MHD_Connection *connection);
  MHD_AccessHandlerCallback access;
  MHD_RequestCompletedCallback completed;
  void *context;
  struct ntm_mhd_log *log;
};

// In C because a va_list has no portable form in Swift.
static inline void ntm_mhd_log_line(void *log, const char *format, va_list arguments) {
  char line[512];
  vsnprintf(line, sizeof line, format, arguments);
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == '\n') line[--length] = 0;
  const struct ntm_mhd_log *to = (const struct ntm_mhd_log *)log;
  to->write(to->context, line);
}

// Leaves percent-escapes alone: decoding before the path is split into segments would let %2F
// separate and %00 cut it off.
static inline size_t ntm_mhd_keep_escapes(void *context, struct MHD_Connection *connection,
                                          char *text) {
  (void)context;
  (void)connection;
  return strlen(text);
}

// MHD_start_daemon is variadic. Returns NULL with errno when the daemon cannot start.
static inline struct MHD_Daemon *ntm_mhd_start(const struct ntm_mhd_settings *settings) {
  struct MHD_OptionItem options[] = {
      // First, so that messages from starting up go there too.
      {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)ntm_mhd_log_line, settings->log},
      {MHD_OPTION_SOCK_ADDR, 0, (void *)(uintptr_t)settings->address},
      {MHD_OPTION_LISTENING_ADDRESS_REUSE, 1, NULL},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)settings->connection_memory, NULL},
      {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)settings->connection_limit, NULL},
      {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)settings->idle_seconds, NULL},
      {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)settings->connection, settings->context},
      {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)settings->completed, settings->context},
      {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)settings->target, settings->context},
      {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)ntm_mhd_keep_escapes, NULL},
      {MHD_OPTION_END, 0, NULL}};
  // RFC 8996 forbids what is older than TLS 1.2.
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_PRIORITIES, 0,
       (void *)(uintptr_t)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)settings->certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)settings->private_key},
      {MHD_OPTION_END, 0, NULL}};
  unsigned int flags = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (settings->certificate != NULL) flags |= MHD_USE_TLS;
#ifdef __linux__
  flags |= MHD_USE_EPOLL;
#endif
  if (settings->address->sa_family == AF_INET6) flags |= MHD_USE_DUAL_STACK;
  // The port is in the address.
  return MHD_start_daemon(flags, 0, settings->accept, settings->context, settings->access,
                          settings->context, MHD_OPTION_ARRAY, options, MHD_OPTION_ARRAY,
                          settings->certificate == NULL ? &tls[3] : tls, MHD_OPTION_END);
}

// MHD_get_connection_info is variadic. NULL when the address is not known.
static inline const struct sockaddr *ntm_mhd_client_address(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info == NULL ? NULL : info->client_addr;
}

// MHD_get_connection_info is variadic. Bytes of the request line and the headers.
static inline size_t ntm_mhd_header_size(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == NULL ? 0 : info->header_size;
}

// MHD_get_connection_info is variadic. What the connection callback has put there.
static inline void *ntm_mhd_socket_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

// MHD_get_connection_info is variadic. GnuTLS's session, NULL where there is no TLS.
static inline void *ntm_mhd_tls_session(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info == NULL ? NULL : (void *)info->tls_session;
}

// Calls `each` for every header and query parameter. In C because a combination of enum values is
// none in Swift.
static inline void ntm_mhd_each_value(struct MHD_Connection *connection,
                                      MHD_KeyValueIteratorN each, void *context) {
  MHD_get_connection_values_n(connection,
                              (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND), each,
                              context);
}

// MHD_get_connection_info is variadic. The connection's socket, -1 if it is not known.
static inline int ntm_mhd_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

// MHD_set_response_options is variadic. The connection is closed after the response instead.
static inline void ntm_mhd_never_chunk(struct MHD_Response *response) {
  MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
}

// Macros with casts, which Swift does not see.
static const ssize_t ntm_mhd_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;
static const ssize_t ntm_mhd_end_with_error = MHD_CONTENT_READER_END_WITH_ERROR;

#ifdef __linux__
// Swift's module of glibc does not have sys/eventfd.h.
static inline int ntm_mhd_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

// MHD_get_daemon_info is variadic. The descriptor to poll, -1 if there is none.
static inline int ntm_mhd_epoll_descriptor(struct MHD_Daemon *daemon) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
  return info == NULL ? -1 : info->epoll_fd;
}
#else
// Where there is no epoll: FD_SET and FD_ISSET are macros. Waits for the daemon's descriptors or
// the pipe `wake`, at most `milliseconds` (-1: for ever), empties the pipe, and lets the daemon run.
// libmicrohttpd closes connections whose descriptor does not fit into an fd_set (1024).
static inline void ntm_mhd_select(struct MHD_Daemon *daemon, int wake, int milliseconds) {
  fd_set readable, writable, exceptional;
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_ZERO(&exceptional);
  MHD_socket last = -1;
  MHD_get_fdset(daemon, &readable, &writable, &exceptional, &last);
  FD_SET(wake, &readable);
  struct timeval limit = {milliseconds / 1000, (milliseconds % 1000) * 1000};
  int ready = select((wake > last ? wake : last) + 1, &readable, &writable, &exceptional,
                     milliseconds < 0 ? NULL : &limit);
  if (ready < 0) {
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&exceptional);
  }
  if (FD_ISSET(wake, &readable)) {
    char signals[256];
    while (read(wake, signals, sizeof signals) > 0) continue;
  }
  MHD_run_from_select(daemon, &readable, &writable, &exceptional);
}
#endif
