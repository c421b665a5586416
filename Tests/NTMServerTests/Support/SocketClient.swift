#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A blocking HTTP client that sends exactly the bytes that a test gives it. Every wait ends with an
/// error after `timeoutSeconds`, so that a server that hangs is a failed test.
final class SocketClient {
  struct Response {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    func header(_ name: String) -> String? {
      headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  enum Failure: Error {
    case connect(Int32)
    case send(Int32)
    case timedOut
    /// The server closed the connection, with so many bytes of a response read.
    case closed(after: Int)
    case malformed(String)
  }

  static let timeoutSeconds = 30

  private let descriptor: Int32
  private var isOpen = true
  private var unread: [UInt8] = []

  init(port: Int, host: String = "127.0.0.1") throws {
    #if canImport(Glibc)
      let kind = Int32(SOCK_STREAM.rawValue)
    #else
      let kind = SOCK_STREAM
    #endif
    descriptor = socket(AF_INET, kind, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    var limit = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(
        descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    let descriptor = self.descriptor
    let code = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else { throw Failure.connect(errno) }
  }

  deinit { close() }

  func close() {
    guard isOpen else { return }
    isOpen = false
    #if canImport(Glibc)
      Glibc.close(descriptor)
    #elseif canImport(Musl)
      Musl.close(descriptor)
    #else
      Darwin.close(descriptor)
    #endif
  }

  /// Sends no more; the server sees the end of the stream.
  func finishSending() {
    shutdown(descriptor, Int32(SHUT_WR))
  }

  /// Closes with a reset instead of an orderly end.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger,
      socklen_t(MemoryLayout.size(ofValue: linger)))
    close()
  }

  func send(_ text: String) throws {
    try send(Array(text.utf8))
  }

  func send(_ bytes: [UInt8]) throws {
    #if canImport(Darwin)
      let flags: Int32 = 0
    #else
      let flags = Int32(MSG_NOSIGNAL)
    #endif
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { sendBytes(descriptor, $0.baseAddress, $0.count, flags) }
      guard count > 0 else { throw Failure.send(errno) }
      rest = rest.dropFirst(count)
    }
  }

  /// Sends one request; `Host`, unless it is there, and, for a body, `Content-Length` are added.
  func send(
    _ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8] = []
  ) throws {
    var head = "\(method) \(target) HTTP/1.1\r\n"
    if !headers.contains(where: { $0.0 == "Host" }) { head += "Host: localhost\r\n" }
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if !body.isEmpty { head += "Content-Length: \(body.count)\r\n" }
    try send(Array((head + "\r\n").utf8) + body)
  }

  /// Reads one response, whose body has a `Content-Length` or is chunked.
  ///
  /// - Parameter method: that of the request: HEAD has no body.
  func receive(to method: String = "GET") throws -> Response {
    var response = try receiveHead()
    let status = response.status
    if method == "HEAD" || status == 204 || status == 304 || status < 200 { return response }
    if response.header("Transfer-Encoding") == "chunked" {
      while let chunk = try receiveChunk() { response.body += chunk }
    } else {
      guard let length = Int(response.header("Content-Length") ?? "") else {
        throw Failure.malformed("no length")
      }
      response.body = try take(length)
    }
    return response
  }

  /// Reads one chunk of a body; nil for the last.
  func receiveChunk() throws -> [UInt8]? {
    var line: [UInt8] = []
    while !line.reversed().starts(with: [10, 13]) { line += try take(1) }
    let text = String(decoding: line.dropLast(2), as: UTF8.self)
    guard let length = Int(text, radix: 16) else { throw Failure.malformed(text) }
    let chunk = try take(length + 2)
    guard chunk.suffix(2) == [13, 10] else { throw Failure.malformed("a chunk's end") }
    return length == 0 ? nil : chunk.dropLast(2)
  }

  /// Reads so many bytes of a chunked body, and no chunk beyond.
  func receiveChunks(_ count: Int) throws -> [UInt8] {
    var body: [UInt8] = []
    while body.count < count {
      guard let chunk = try receiveChunk() else { throw Failure.closed(after: body.count) }
      body += chunk
    }
    return body
  }

  /// Reads until the server closes the connection.
  func receiveRest() throws -> [UInt8] {
    do {
      while true { try readMore() }
    } catch Failure.closed {
      return try take(unread.count)
    }
  }

  /// Reads whatever comes and drops it, until so many bytes have come in all or the last of them are
  /// `end`.
  func skip(_ count: Int, orTo end: [UInt8]) throws -> Int {
    var skipped = 0
    while skipped + unread.count < count, !unread.suffix(end.count).elementsEqual(end) {
      skipped += max(0, unread.count - end.count)
      unread.removeFirst(max(0, unread.count - end.count))
      try readMore()
    }
    skipped += unread.count
    unread = []
    return skipped
  }

  private func take(_ count: Int) throws -> [UInt8] {
    while unread.count < count { try readMore() }
    defer { unread.removeFirst(count) }
    return Array(unread.prefix(count))
  }

  /// Reads the head of a response.
  func receiveHead() throws -> Response {
    let end: [UInt8] = [13, 10, 13, 10]
    var searched = 0
    var headLength: Int?
    while headLength == nil {
      if let found = unread.firstRange(of: end, from: searched) {
        headLength = found
      } else {
        searched = max(0, unread.count - 3)
        try readMore()
      }
    }
    let head = String(decoding: unread[..<headLength!], as: UTF8.self)
    let lines = head.split(separator: "\r\n")
    let words = lines[0].split(separator: " ")
    guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
      throw Failure.malformed(head)
    }
    let headers = try lines.dropFirst().map { line in
      guard let colon = line.firstIndex(of: ":") else { throw Failure.malformed(head) }
      let value = line[line.index(after: colon)...].drop { $0 == " " }
      return (name: String(line[..<colon]), value: String(value))
    }
    unread.removeFirst(headLength! + end.count)
    return Response(status: status, headers: headers, body: [])
  }

  /// Sends a request and reads its response.
  func exchange(
    _ method: String, _ target: String, headers: [(String, String)] = [], body: [UInt8] = []
  ) throws -> Response {
    try send(method, target, headers: headers, body: body)
    return try receive(to: method)
  }

  /// Whether something comes from the server, or its end, within so many milliseconds.
  func hasInput(within milliseconds: Int32) -> Bool {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return !unread.isEmpty || poll(&waiting, 1, milliseconds) > 0
  }

  /// Waits until the server closes the connection; false if it sends something instead.
  func isClosedByServer() throws -> Bool {
    guard unread.isEmpty else { return false }
    do {
      try readMore()
      return false
    } catch Failure.closed {
      return true
    }
  }

  private func readMore() throws {
    let count = withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) { buffer in
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 {
        unread.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      }
      return count
    }
    if count > 0 { return }
    if count == 0 || errno == ECONNRESET { throw Failure.closed(after: unread.count) }
    throw errno == EAGAIN ? Failure.timedOut : Failure.closed(after: unread.count)
  }
}

/// `send` of the C library, which the methods of that name hide.
private func sendBytes(
  _ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32
) -> Int {
  send(descriptor, bytes, count, flags)
}

extension [UInt8] {
  fileprivate func firstRange(of pattern: [UInt8], from start: Int) -> Int? {
    guard count >= pattern.count else { return nil }
    return (start...(count - pattern.count)).first { self[$0...].starts(with: pattern) }
  }
}
