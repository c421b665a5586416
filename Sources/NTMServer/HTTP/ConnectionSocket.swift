#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The socket of a connection that libmicrohttpd reads and writes: what can be asked of it, and how
/// the connection is ended, beside the library.
struct ConnectionSocket {
  let descriptor: Int32
  /// nil where there is no TLS.
  let tlsSession: UnsafeMutableRawPointer?

  /// Bytes that the client has sent so far, TLS's own included; nil where the system doesn't say.
  var receivedBytes: UInt64? {
    #if canImport(Darwin)
      var information = tcp_connection_info()
      var length = socklen_t(MemoryLayout.size(ofValue: information))
      guard getsockopt(descriptor, IPPROTO_TCP, TCP_CONNECTION_INFO, &information, &length) == 0
      else { return nil }
      return information.tcpi_rxbytes
    #else
      // `tcpi_bytes_received` of the kernel's `tcp_info`, which is longer than the C library's.
      let place = 128
      return withUnsafeTemporaryAllocation(byteCount: place + 8, alignment: 8) { information in
        var length = socklen_t(information.count)
        guard
          getsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_INFO, information.baseAddress, &length) == 0,
          length == information.count
        else { return nil }
        return information.load(fromByteOffset: place, as: UInt64.self)
      }
    #endif
  }

  /// Bytes of the client that have been read from the socket; nil if the system does not say.
  var readBytes: UInt64? {
    guard let receivedBytes else { return nil }
    var unread: CInt = 0
    guard ioctl(descriptor, UInt(FIONREAD), &unread) == 0 else { return nil }
    return receivedBytes - min(receivedBytes, UInt64(max(0, unread)))
  }

  /// To be called after a part of an upload that is not complete.
  ///
  /// libmicrohttpd takes a short read to mean that there is nothing more to read. An end of the
  /// stream that arrived together with the data is no event of its own then, and a client that
  /// has left would be waited for until the idle timeout. This makes it an event.
  func noticeEndOfStream() {
    #if os(Linux)
      var byte: UInt8 = 0
      if recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0 {
        // Nothing is lost: the client sends no more. What counts is that epoll is told.
        shutdown(descriptor, Int32(SHUT_RD))
      }
    #endif
  }

  /// Sends what fits into the socket's buffer, and ends the connection: libmicrohttpd finds that the
  /// client has left. Only while the library has nothing to send itself.
  func end(with bytes: [UInt8]) {
    if let tlsSession {
      GnuTLS.send(bytes, over: tlsSession)
    } else {
      #if canImport(Darwin)
        let flags = Int32(MSG_DONTWAIT)
      #else
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
      #endif
      _ = send(descriptor, bytes, bytes.count, flags)
    }
    shutdown(descriptor, Int32(SHUT_RDWR))
  }

  /// What `poll` waits for to learn that the peer has ended its side.
  private static var endEvent: Int16 {
    #if os(Linux)
      // POLLRDHUP, which the headers hide unless _GNU_SOURCE is defined.
      0x2000
    #else
      Int16(POLLIN)
    #endif
  }

  /// Which of the connections have been ended by their clients, by one system call for all.
  static func haveLeft(_ connections: [ConnectionSocket]) -> [Bool] {
    var sockets = connections.map { pollfd(fd: $0.descriptor, events: endEvent, revents: 0) }
    guard poll(&sockets, nfds_t(sockets.count), 0) > 0 else {
      return Array(repeating: false, count: sockets.count)
    }
    return sockets.map { socket in
      #if os(Linux)
        return socket.revents != 0
      #else
        // Where an end is no event of its own, it is a read of nothing.
        var byte: UInt8 = 0
        return socket.revents != 0
          && recv(socket.fd, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) <= 0
      #endif
    }
  }
}
