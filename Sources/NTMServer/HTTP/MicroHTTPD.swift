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
/// malformed (400, or none), a `Content-Length` that is no number (400), a malformed chunk (400),
/// headers that don't fit into the connection's memory (431, and 414 if it is the target), another
/// HTTP version than 1.x (505). Such requests reach neither the handler nor the access log; the
/// library's log has a line.
enum MicroHTTPD {
  /// `MHD_SIZE_UNKNOWN`, a macro with a cast.
  private static let unknownSize = UInt64.max
  /// The buffer of a stream that isn't chunked. Chunks are as long as the connection's memory allows.
  private static let bytesPerRead = 4096
  /// A longer body is sent in parts of this many bytes. libmicrohttpd would otherwise pass all of it
  /// to one system call, which copies megabytes while the loop's other connections wait.
  private static let bytesPerPart = 64 << 10

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
          accept: Callbacks.accept, connection: Callbacks.connection, target: Callbacks.target,
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
    ///
    /// - Returns: whether it ran at once, without waiting for an event
    @discardableResult
    func waitAndRun(limit: Int) -> Bool {
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
      return timeout == 0
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

    /// In the connection's memory.
    func bytes(_ zeroTerminated: UnsafePointer<CChar>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(start: zeroTerminated, count: strlen(zeroTerminated))
    }

    /// Any header, by a search; `RequestHead` has those that are asked for often.
    ///
    /// - Parameter isTrimmed: whether to remove white space behind the value
    func header(_ name: String, isTrimmed: Bool = true) -> String? {
      var value: UnsafePointer<CChar>?
      var size = 0
      let found = name.withCString {
        MHD_lookup_connection_value_n(pointer, .HEADER_KIND, $0, name.utf8.count, &value, &size)
      }
      guard found == .YES else { return nil }
      let bytes = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : size)
      return String(decoding: isTrimmed ? RequestHead.trimmed(bytes) : bytes, as: UTF8.self)
    }

    /// The values of all headers of a name, without the white space around them.
    func headers(_ name: String) -> [String] {
      final class Search {
        let name: [UInt8]
        var values: [String] = []
        init(_ name: String) { self.name = Array(name.utf8) }
      }
      let search = Search(name)
      let each: MHD_KeyValueIteratorN = { context, kind, name, nameSize, value, valueSize in
        guard let context, kind == .HEADER_KIND else { return .YES }
        let search = Unmanaged<Search>.fromOpaque(context).takeUnretainedValue()
        if equalsIgnoringASCIICase(
          search.name, UnsafeRawBufferPointer(start: name, count: name == nil ? 0 : nameSize))
        {
          let value = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
          search.values.append(String(decoding: RequestHead.trimmed(value), as: UTF8.self))
        }
        return .YES
      }
      ntm_mhd_each_value(pointer, each, Unmanaged.passUnretained(search).toOpaque())
      return search.values
    }

    /// Reads the request's headers and query.
    ///
    /// - Parameters:
    ///   - start: where the head begins in the connection's memory, which is the method
    ///   - version: the end of the request line
    func read(_ head: RequestHead, from start: UnsafePointer<CChar>, version: UnsafePointer<CChar>)
    {
      // libmicrohttpd has replaced the line's CR and LF by zeros.
      head.clear(
        bytes: ntm_mhd_header_size(pointer), start: start,
        firstLine: version + strlen(version) + 2)
      ntm_mhd_each_value(pointer, Callbacks.value, head.context)
    }

    /// The peer's address in numbers.
    var remoteAddress: String? { ntm_mhd_client_address(pointer).flatMap(numericHost) }

    /// To be looked at and ended, not to be read.
    var socket: ConnectionSocket {
      ConnectionSocket(
        descriptor: ntm_mhd_socket(pointer), tlsSession: ntm_mhd_tls_session(pointer))
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

    /// Queues a response. Its body is `record.responseBody`, which must not change any more, or made by
    /// `record.stream`.
    ///
    /// - Parameter closes: whether the connection ends with this response.
    /// - Returns: false when libmicrohttpd refuses it; the connection is to be dropped then.
    func queue(_ response: borrowing HTTPResponse, of record: RequestRecord, closes: Bool) -> Bool {
      // Balanced by `releaseRecord`, which libmicrohttpd calls when it needs the body no more.
      let held = Unmanaged.passRetained(record).toOpaque()
      let made =
        if record.stream != nil {
          MHD_create_response_from_callback(
            unknownSize, bytesPerRead, Callbacks.readStream, held,
            Callbacks.releaseRecord)
        } else if record.responseBody.count > bytesPerPart {
          MHD_create_response_from_callback(
            UInt64(record.responseBody.count), bytesPerPart, Callbacks.readBody, held,
            Callbacks.releaseRecord)
        } else {
          // The body is not copied. Its storage stays where it is for as long as the record holds
          // it and nobody changes it.
          record.responseBody.withUnsafeBytes { bytes in
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
      if let type = response.contentType { add("Content-Type", type, to: made, of: record) }
      for (name, value) in response.headers { add(name, value, to: made, of: record) }
      if let id = response.requestID { add(RequestID.header, id, to: made, of: record) }
      if closes { MHD_add_response_header(made, "Connection", "close") }
      // The library would send the last chunk of a body that HEAD must not have.
      if record.stream != nil, record.isHead { ntm_mhd_never_chunk(made) }
      return MHD_queue_response(pointer, UInt32(response.status), made) == .YES
    }

    private func add(
      _ name: String, _ value: String, to response: OpaquePointer, of record: RequestRecord
    ) {
      // Passing the strings themselves would make a copy of each on the heap.
      let added = name.withCString { name in
        value.withCString { MHD_add_response_header(response, name, $0) }
      }
      if added != .YES { record.loop.log("response header left out: \(name)") }
    }
  }

  /// What libmicrohttpd calls, on the thread of the event loop that is the context or has the record.
  /// Nothing here throws.
  private enum Callbacks {
    /// A connection is about to be taken.
    static let accept: MHD_AcceptPolicyCallback = { context, address, _ in
      guard let context, let address else { return .NO }
      return Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef {
        $0.admits(NetworkAddress(address)) ? .YES : .NO
      }
    }

    /// A connection begins or ends.
    static let connection: MHD_NotifyConnectionCallback = { context, connection, slot, event in
      guard let context, let connection, let slot else { return }
      Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { loop in
        guard event == .CONNECTION_NOTIFY_STARTED else {
          guard let held = slot.pointee else { return }
          slot.pointee = nil
          // Balances the retain below.
          loop.disconnected(Unmanaged<ConnectionRecord>.fromOpaque(held).takeRetainedValue())
          return
        }
        loop.activity &+= 1
        let record = loop.connected(Connection(pointer: connection))
        slot.pointee = Unmanaged.passRetained(record).toOpaque()
      }
    }

    /// The request line is there.
    ///
    /// Where a query has more parameters than the connection's memory has room for, libmicrohttpd
    /// makes its answer and then loses it: the client would wait until the idle timeout. So such a
    /// query is cut off here, before it is taken apart, and the request is refused when its headers
    /// are there. The text is the library's own buffer, which it changes itself in the next moment.
    static let target:
      @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?)
        -> UnsafeMutableRawPointer? = { context, target, connection in
          guard let context, let target, let connection,
            let held = ntm_mhd_socket_context(connection)
          else { return nil }
          let limits = Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef {
            $0.settings.limits
          }
          let refusal = RequestTarget.refusal(target, limits)
          let bytes = UnsafeRawBufferPointer(start: target, count: strlen(target))
          Unmanaged<ConnectionRecord>.fromOpaque(held)._withUnsafeGuaranteedRef {
            $0.targetRefusal = refusal
            $0.targetEnd = target + bytes.count
            $0.targetDefect =
              FieldBytes.areTarget(bytes) ? nil : "the target has a space or a control character"
          }
          if refusal != nil { strchr(target, Int32(UInt8(ascii: "?")))?[1] = 0 }
          return nil
        }

    /// One request makes several calls: the first when its headers are here, one for each part of
    /// its body, a last one without data, and one more when its connection has been resumed.
    static let access: MHD_AccessHandlerCallback = {
      context, connection, path, method, version, data, size, slot in
      guard let context, let connection, let size, let slot else { return .NO }
      let loop = Unmanaged<EventLoop>.fromOpaque(context)
      guard let held = slot.pointee else {
        guard let path, let method, let version, let client = ntm_mhd_socket_context(connection)
        else { return .NO }
        let record = loop._withUnsafeGuaranteedRef {
          $0.record(
            Connection(pointer: connection),
            Unmanaged<ConnectionRecord>.fromOpaque(client).takeUnretainedValue(),
            method: method, path: path, needsHost: strcmp(version, "HTTP/1.0") != 0)
        }
        let isWhole = loop._withUnsafeGuaranteedRef { _ in
          Unmanaged<ConnectionRecord>.fromOpaque(client)._withUnsafeGuaranteedRef {
            $0.version = version
            // A NUL would cut the target off.
            return $0.targetEnd.map { $0 + 1 } == version
          }
        }
        if !isWhole {
          record.client.targetDefect = "the target has a NUL, or no version follows it"
        }
        // Balanced in `completed`, which libmicrohttpd calls for every request that came here.
        slot.pointee = Unmanaged.passRetained(record).toOpaque()
        return loop._withUnsafeGuaranteedRef { $0.begin(record) } ? .YES : .NO
      }
      let part = UnsafeRawBufferPointer(start: data, count: size.pointee)
      let goesOn = loop._withUnsafeGuaranteedRef { loop in
        Unmanaged<RequestRecord>.fromOpaque(held)._withUnsafeGuaranteedRef { record in
          if part.isEmpty { return loop.proceed(record) }
          if loop.mustStore(record) {
            // The part stays in the library's buffer, and comes again.
            loop.storeBlocks(record)
            return true
          }
          if loop.mustWait(record, partOf: part.count) {
            loop.postpone(record)
            return true
          }
          // All of it is taken: a rest would stall the upload.
          size.pointee = 0
          return loop.receive(part, record)
        }
      }
      return goesOn ? .YES : .NO
    }

    /// A header or a query parameter.
    static let value: MHD_KeyValueIteratorN = { head, kind, name, nameSize, value, valueSize in
      guard let head = head.map(RequestHead.init(context:)) else { return .NO }
      let name = UnsafeRawBufferPointer(start: name, count: name == nil ? 0 : nameSize)
      let value = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
      if kind == .HEADER_KIND {
        head.addHeader(name, value)
      } else {
        head.addParameter(name, value)
      }
      return .YES
    }

    static let completed: MHD_RequestCompletedCallback = { context, _, slot, _ in
      guard let context, let slot, let held = slot.pointee else { return }
      slot.pointee = nil
      Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { loop in
        let record = Unmanaged<RequestRecord>.fromOpaque(held)
        record._withUnsafeGuaranteedRef { loop.complete($0) }
        // Balances the retain in `access`.
        loop.useAgain(record)
      }
    }

    /// The next part of a long body.
    static let readBody: MHD_ContentReaderCallback = { record, position, buffer, size in
      guard let record, let buffer else { return ntm_mhd_end_with_error }
      return Unmanaged<RequestRecord>.fromOpaque(record)._withUnsafeGuaranteedRef { record in
        record.loop.activity &+= 1
        return record.responseBody.withUnsafeBytes { body in
          let part = body[Int(position)...].prefix(size)
          UnsafeMutableRawBufferPointer(start: buffer, count: size).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: part))
          return part.count
        }
      }
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

    /// Balances the retain in `queue`.
    static let releaseRecord: MHD_ContentReaderFreeCallback = { record in
      guard let record else { return }
      let request = Unmanaged<RequestRecord>.fromOpaque(record)
      let loop = request._withUnsafeGuaranteedRef { $0.loop }
      loop.useAgain(request)
    }

    static let log: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> Void = {
      context, line in
      guard let context, let line else { return }
      let text = String(cString: line)
      Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { loop in
        loop.log(text)
        // The library is about to send the head of its answer twice.
        if text.contains("Content-Length' header") { loop.refuseMalformedLength() }
      }
    }
  }
}
