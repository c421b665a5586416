import CMicroHTTPD

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// libmicrohttpd, as much of it as the server needs. The only file that imports it.
///
/// The library answers by itself, without a call of ours: a request line or header that is
/// malformed (400), a `Content-Length` that is no number (400), a malformed chunk (400), headers
/// that don't fit into the connection's memory (431, and 414 if it is the target), another HTTP
/// version than 1.x (505). Such requests reach neither the handler nor the access log; the
/// library's log has a line.
enum MicroHTTPD {
  /// What libmicrohttpd keeps of each header and query parameter beside its text.
  fileprivate static let bytesPerValue = 64
  /// Room for the headers of a reply, rounded up.
  fileprivate static let bytesForReply = 1024

  /// `MHD_SIZE_UNKNOWN`, a macro with a cast.
  fileprivate static let unknownSize = UInt64.max
  /// The buffer of a stream that isn't chunked. Chunks are as long as the connection's memory allows.
  fileprivate static let bytesPerRead = 4096

  struct Limits: Sendable {
    /// Bytes per connection for headers and buffers.
    let connectionMemory: Int
    let connections: Int
    /// 0 for none.
    let idleSeconds: Int
  }

  /// One daemon: a listening socket and its connections.
  ///
  /// All methods belong to the thread of its event loop, once that has been started.
  final class Daemon {
    private let pointer: OpaquePointer
    private let log: UnsafeMutablePointer<ntm_mhd_log>
    /// libmicrohttpd goes on using its texts.
    private let tls: TLSIdentity?
    #if os(Linux)
      /// For `poll`: libmicrohttpd's epoll set, then the wake-up descriptor.
      private let waiting: UnsafeMutablePointer<pollfd>
    #endif
    private let wakeup: Wakeup

    /// - Parameters:
    ///   - tls: nil for plain HTTP
    ///   - loop: receives the requests. It owns this daemon, and stops it before it goes away.
    ///   - wakeup: ends a wait besides the connections.
    init(
      address: ListenAddress, limits: Limits, tls: TLSIdentity?, loop: EventLoop, wakeup: Wakeup
    ) throws(HTTPServerError) {
      // Not retained: the loop outlives the daemon.
      let context = Unmanaged.passUnretained(loop).toOpaque()
      log = .allocate(capacity: 1)
      log.initialize(to: ntm_mhd_log(write: Callbacks.log, context: context))
      let log = self.log
      let started = address.withPointer { address in
        var settings = ntm_mhd_settings(
          address: address, connection_memory: limits.connectionMemory,
          connection_limit: UInt32(limits.connections), idle_seconds: UInt32(limits.idleSeconds),
          certificate: tls?.certificate.pointer, private_key: tls?.key.pointer,
          access: Callbacks.access, completed: Callbacks.completed, context: context, log: log)
        return ntm_mhd_start(&settings)
      }
      guard let started else {
        let reason = systemMessage(errno)
        log.deallocate()
        throw .cannotStart(reason: "libmicrohttpd: \(reason)")
      }
      pointer = started
      self.tls = tls
      #if os(Linux)
        waiting = .allocate(capacity: 2)
        waiting[0] = pollfd(
          fd: ntm_mhd_epoll_descriptor(started), events: Int16(POLLIN), revents: 0)
        waiting[1] = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
      #endif
      self.wakeup = wakeup
    }

    deinit {
      #if os(Linux)
        waiting.deallocate()
      #endif
      log.deallocate()
    }

    /// Milliseconds.
    private static let longestWait: Int32 = 200

    /// Waits for something to do, at most `limit` milliseconds (negative: for ever), and does it.
    ///
    /// The epoll descriptor is polled, never given to `epoll_wait`: that would swallow the
    /// edge-triggered events that libmicrohttpd itself waits for. The wake-up is cleared between
    /// waiting and running: what was signalled before that, the run sees, and what is signalled
    /// after it ends the next wait.
    ///
    /// No wait is longer than `longestWait`: at its limit of connections or of descriptors the
    /// library takes the listening socket out of its epoll set, and puts it back at the begin of the
    /// run after the one that made room, for which there may be no event.
    func waitAndRun(limit: Int) {
      var timeout = limit < 0 ? Self.longestWait : min(Int32(clamping: limit), Self.longestWait)
      var own: UInt64 = 0
      if MHD_get_timeout(pointer, &own) == .YES, own < UInt64(timeout) {
        timeout = Int32(clamping: own)
      }
      #if os(Linux)
        if timeout != 0, poll(waiting, 2, timeout) > 0, waiting[1].revents != 0 { wakeup.clear() }
        MHD_run(pointer)
      #else
        ntm_mhd_select(pointer, wakeup.descriptor, timeout)
      #endif
    }

    /// Closes the listening socket. The connections go on.
    func stopListening() {
      let listening = MHD_quiesce_daemon(pointer)
      if listening >= 0 { close(listening) }
    }

    /// Closes the connections. None may be suspended: the library would abort the process.
    func stop() {
      MHD_stop_daemon(pointer)
    }
  }

  #if os(Linux)
    /// A new eventfd, negative with `errno` set if there is none. It is here because Glibc's
    /// module lacks it.
    static func makeEventDescriptor() -> Int32 {
      ntm_mhd_eventfd()
    }
  #endif

  /// One connection, for the time of one request.
  struct Connection {
    fileprivate let pointer: OpaquePointer

    /// From the connection's memory; what is not UTF-8 is replaced.
    func text(_ zeroTerminated: UnsafePointer<CChar>) -> String {
      String(cString: zeroTerminated)
    }

    func header(_ name: String) -> String? {
      lookUp(name, .HEADER_KIND)
    }

    /// With `+` replaced by a space, percent-escapes as sent.
    func queryValue(_ name: String) -> String? {
      lookUp(name, .GET_ARGUMENT_KIND)
    }

    /// Whether the headers leave room in the connection's memory for those of a reply. Where they
    /// don't, the library closes the connection in place of answering.
    ///
    /// - Parameter memory: the connection's memory in bytes
    func leavesRoomForReply(_ memory: Int) -> Bool {
      let values = Int(ntm_mhd_value_count(pointer))
      let used = ntm_mhd_header_size(pointer) + values * MicroHTTPD.bytesPerValue
      return used + MicroHTTPD.bytesForReply <= memory
    }

    /// How often a header is there.
    func count(_ name: StaticString) -> Int { Int(ntm_mhd_count_header(pointer, name.utf8Start)) }

    /// The `Content-Length`; nil for none. libmicrohttpd has refused what is not a number.
    var contentLength: UInt64? {
      withValue("Content-Length", .HEADER_KIND) { digits in
        digits.reduce(into: UInt64(0)) { length, digit in
          // Only digits arrive here; saturates, as a limit is all that this is compared with.
          let (product, tooLarge) = length.multipliedReportingOverflow(by: 10)
          let (sum, overflow) = product.addingReportingOverflow(UInt64(digit & 15))
          length = tooLarge || overflow ? .max : sum
        }
      }
    }

    /// The peer's address in numbers.
    var remoteAddress: String? {
      guard let address = ntm_mhd_client_address(pointer) else { return nil }
      let isIPv6 = Int32(address.pointee.sa_family) == AF_INET6
      let length = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
      return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { text in
        let code = getnameinfo(
          address, socklen_t(length), text.baseAddress, socklen_t(text.count), nil, 0,
          NI_NUMERICHOST)
        return code == 0 ? String(cString: text.baseAddress!) : nil
      }
    }

    /// To be called after a part of an upload that is not complete.
    ///
    /// libmicrohttpd takes a short read to mean that there is nothing more to read. An end of the
    /// stream that arrived together with the data is no event of its own then, and a client that
    /// has left would be waited for until the idle timeout. This makes it an event.
    func noticeEndOfStream() {
      #if os(Linux)
        let socket = ntm_mhd_socket(pointer)
        var byte: UInt8 = 0
        if recv(socket, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0 {
          // Nothing is lost: the client sends no more. What counts is that epoll is told.
          shutdown(socket, Int32(SHUT_RD))
        }
      #endif
    }

    /// Which of the connections have been ended by their clients, by one system call for all.
    static func haveLeft(_ connections: [Connection]) -> [Bool] {
      var sockets = connections.map {
        pollfd(fd: ntm_mhd_socket($0.pointer), events: ntm_mhd_end_event, revents: 0)
      }
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

    /// Takes the connection out of its daemon's loop until it is resumed. Only from within the
    /// access callback and the content reader.
    func suspend() {
      MHD_suspend_connection(pointer)
    }

    /// From any thread, once after each `suspend`. The loop notices it only when it is woken.
    func resume() {
      MHD_resume_connection(pointer)
    }

    /// Queues `record.response`, which must be set and must not change any more.
    ///
    /// - Parameter closes: whether the connection ends with this response.
    /// - Returns: false when libmicrohttpd refuses it; the connection is to be dropped then.
    func queueResponse(of record: RequestRecord, closes: Bool) -> Bool {
      guard let response = record.response else { preconditionFailure("no response to queue") }
      // Balanced by `releaseRecord`, which libmicrohttpd calls when it needs the body no more.
      let held = Unmanaged.passRetained(record).toOpaque()
      let made =
        if record.stream != nil {
          MHD_create_response_from_callback(
            MicroHTTPD.unknownSize, MicroHTTPD.bytesPerRead, Callbacks.readStream, held,
            Callbacks.releaseRecord)
        } else {
          // The body is not copied. Its storage stays where it is for as long as the record holds
          // it and nobody changes it.
          response.body.withUnsafeBytes { bytes in
            MHD_create_response_from_buffer_with_free_callback_cls(
              bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
              Callbacks.releaseRecord, held)
          }
        }
      guard let made else {
        Unmanaged.passUnretained(record).release()
        return false
      }
      defer { MHD_destroy_response(made) }
      for (name, value) in response.headers {
        // Passing the strings themselves would make a copy of each on the heap.
        let added = name.withCString { name in
          value.withCString { MHD_add_response_header(made, name, $0) }
        }
        if added != .YES { record.loop.log("response header left out: \(name)") }
      }
      if closes { MHD_add_response_header(made, "Connection", "close") }
      // The library would send the last chunk of a body that HEAD must not have.
      if record.stream != nil, record.isHead { ntm_mhd_never_chunk(made) }
      return MHD_queue_response(pointer, UInt32(response.status), made) == .YES
    }

    private func lookUp(_ name: String, _ kind: MHD_ValueKind) -> String? {
      withValue(name, kind) { String(decoding: $0, as: UTF8.self) }
    }

    private func withValue<Result>(
      _ name: String, _ kind: MHD_ValueKind, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result? {
      var value: UnsafePointer<CChar>?
      var size = 0
      let found = name.withCString {
        MHD_lookup_connection_value_n(pointer, kind, $0, name.utf8.count, &value, &size)
      }
      guard found == .YES else { return nil }
      return body(UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : size))
    }
  }

  /// What libmicrohttpd calls, all but `releaseRecord` on the thread of the event loop that is the
  /// context. Nothing here throws.
  private enum Callbacks {
    /// One request makes several calls: the first when its headers are here, one for each part of
    /// its body, a last one without data, and one more when its connection has been resumed.
    static let access: MHD_AccessHandlerCallback = {
      context, connection, path, method, _, data, size, slot in
      guard let context, let connection, let size, let slot else { return .NO }
      let loop = Unmanaged<EventLoop>.fromOpaque(context)
      guard let held = slot.pointee else {
        guard let path, let method else { return .NO }
        let record = loop._withUnsafeGuaranteedRef {
          RequestRecord(
            connection: Connection(pointer: connection), method: method, path: path, loop: $0)
        }
        // Balanced in `completed`, which libmicrohttpd calls for every request that came here.
        slot.pointee = Unmanaged.passRetained(record).toOpaque()
        return loop._withUnsafeGuaranteedRef { $0.begin(record) } ? .YES : .NO
      }
      let record = Unmanaged<RequestRecord>.fromOpaque(held).takeUnretainedValue()
      guard size.pointee > 0 else {
        return loop._withUnsafeGuaranteedRef { $0.proceed(record) } ? .YES : .NO
      }
      let part = UnsafeRawBufferPointer(start: data, count: size.pointee)
      // All of it is taken; what is left over would stall the upload.
      size.pointee = 0
      return loop._withUnsafeGuaranteedRef { $0.receive(part, record) } ? .YES : .NO
    }

    static let completed: MHD_RequestCompletedCallback = { context, _, slot, _ in
      guard let context, let slot, let held = slot.pointee else { return }
      slot.pointee = nil
      // Balances the retain in `access`.
      let record = Unmanaged<RequestRecord>.fromOpaque(held).takeRetainedValue()
      Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.complete(record) }
    }

    /// The next part of a streaming body.
    static let readStream: MHD_ContentReaderCallback = { record, _, buffer, size in
      guard let record, let buffer else { return ntm_mhd_end_with_error }
      let request = Unmanaged<RequestRecord>.fromOpaque(record).takeUnretainedValue()
      let read = request.loop.read(
        request, into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
      switch read {
      case .bytes(let count): return count
      case .waiting: return 0
      case .end: return ntm_mhd_end_of_stream
      case .broken: return ntm_mhd_end_with_error
      }
    }

    /// Balances the retain in `queueResponse`.
    static let releaseRecord: MHD_ContentReaderFreeCallback = { record in
      guard let record else { return }
      Unmanaged<RequestRecord>.fromOpaque(record).release()
    }

    static let log: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Void = {
      context, line in
      guard let context, let line else { return }
      Unmanaged<EventLoop>.fromOpaque(context).takeUnretainedValue().log(String(cString: line))
    }
  }
}
