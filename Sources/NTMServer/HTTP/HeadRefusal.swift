#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension MicroHTTPD {
  struct Limits: Sendable {
    /// What libmicrohttpd keeps of each header and query parameter beside its text.
    static let bytesPerValue = 64
    /// Room for the headers of a reply, rounded up.
    private static let bytesForReply = 1024

    /// Bytes per connection for headers and buffers.
    let connectionMemory: Int
    let connections: Int
    /// 0 for none.
    let idleSeconds: Int

    /// Bytes of the longest request target. What is longer leaves too little for the headers.
    var target: Int { connectionMemory / 2 }
    /// Parameters of the longest query, for which the memory has room beside the longest target.
    var queryParameters: Int { connectionMemory / 4 / Self.bytesPerValue }
    /// How much of the memory headers and query may take, so that there is room for the headers of a
    /// reply. Where there is none, the library closes the connection in place of answering.
    var head: Int { connectionMemory - Self.bytesForReply }
  }
}

/// What is wrong with a request line.
enum RequestTarget {
  /// - Parameter target: as on the wire, zero-terminated
  static func refusal(
    _ target: UnsafePointer<CChar>, _ limits: MicroHTTPD.Limits
  ) -> HTTPRefusal? {
    let length = strlen(target)
    if length > limits.target { return .targetTooLong(limit: limits.target) }
    guard var rest = strchr(target, Int32(UInt8(ascii: "?"))) else { return nil }
    var parameters = 1
    while let next = strchr(rest + 1, Int32(UInt8(ascii: "&"))) {
      parameters += 1
      rest = next
    }
    return parameters > limits.queryParameters
      ? .tooManyParameters(limit: limits.queryParameters) : nil
  }
}

/// What is wrong with a request before its body is read.
extension EventLoop {
  func headRefusal(_ record: RequestRecord) -> HTTPRefusal? {
    if isDraining, !handler.isAnsweredWhileStopping(HTTPRequest(record)) { return .draining }
    if let refusal = record.client.place.refusal ?? record.client.targetRefusal { return refusal }
    // Before anything is applied: a step whose answer can't be sent must not be taken.
    let head = record.head
    if head.memory > settings.limits.head { return .headersTooLarge }
    if let reason = record.client.targetDefect ?? head.defect(isComplete: true) {
      return .malformed(reason: reason)
    }
    let reason =
      hostError(head, isNeeded: record.needsHost) ?? framingError(head) ?? repetition(head)
      ?? record.useOriginForm()
    return reason.map { .malformed(reason: $0) }
  }

  /// RFC 9112, section 3.2.
  private func hostError(_ head: RequestHead, isNeeded: Bool) -> String? {
    if head.count(of: .host) > 1 { return "Host is there twice" }
    guard let host = head[.host] else { return isNeeded ? "Host is missing" : nil }
    return FieldBytes.host.containsAll(of: host)
      ? nil : "Host is no host: \(String(decoding: host, as: UTF8.self))"
  }

  /// What makes the body's length doubtful (RFC 9112, section 6); proxies may see another one.
  private func framingError(_ head: RequestHead) -> String? {
    if head.count(of: .contentLength) > 1 { return "Content-Length is there twice" }
    if head.count(of: .transferEncoding) > 1 { return "Transfer-Encoding is there twice" }
    guard let bytes = head[.transferEncoding] else { return nil }
    // libmicrohttpd has taken the white space for a part of the name of the coding.
    if head.isTrimmed(.transferEncoding) { return "Transfer-Encoding ends with white space" }
    let coding = String(decoding: bytes, as: UTF8.self)
    if !equalsIgnoringASCIICase(coding, "chunked") {
      return "Transfer-Encoding is \(coding); chunked is valid"
    }
    return head.count(of: .contentLength) == 0
      ? nil : "both Content-Length and Transfer-Encoding are there"
  }

  /// The server acts on one value of these fields, and a proxy may act on the other.
  private func repetition(_ head: RequestHead) -> String? {
    for header in RequestHeader.singletons where head.count(of: header) > 1 {
      return "\(header.name) is there twice"
    }
    return nil
  }
}
