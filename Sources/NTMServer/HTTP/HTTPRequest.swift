/// One complete request: of a live connection, or made from its parts.
///
/// A live request is read where it came in, in its connection's memory. It is valid from the
/// handler's call until the response is complete, the time on a worker included; using it later is a
/// bug that traps. Copy out what must live longer.
public struct HTTPRequest: Sendable {
  private enum Source: Sendable {
    case live(RequestRecord)
    case made(Parts)
  }

  private final class Parts: Sendable {
    let method: String
    let path: String
    let query: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]
    let maxLineBytes: Int
    let notes = Lock(RequestNotes())

    init(
      method: String, path: String, query: String, headers: [(name: String, value: String)],
      body: [UInt8], maxLineBytes: Int
    ) {
      self.method = method
      self.path = path
      self.query = query
      self.headers = headers
      self.body = body
      self.maxLineBytes = maxLineBytes
    }
  }

  private let source: Source

  init(_ record: RequestRecord) {
    source = .live(record)
  }

  /// A request without a socket.
  ///
  /// - Parameters:
  ///   - path: as on the wire, percent-escapes included, without the query.
  ///   - query: as on the wire: what stands behind the `?`.
  ///   - maxLineBytes: the longest line of `bodyLines`: for a live request the server's
  ///     `maxBodyBytes`.
  public init(
    method: String, path: String, query: String = "",
    headers: [(name: String, value: String)] = [], body: [UInt8] = [],
    maxLineBytes: Int = 16 << 20
  ) {
    source = .made(
      Parts(
        method: method, path: path, query: query, headers: headers, body: body,
        maxLineBytes: maxLineBytes))
  }

  /// As sent, in the client's case; any token, not only the methods that HTTP defines.
  public var method: String {
    switch source {
    case .live(let record): record.connection.text(record.methodText)
    case .made(let parts): parts.method
    }
  }

  /// The method without its text.
  var knownMethod: HTTPMethod {
    switch source {
    case .live(let record): record.method
    case .made(let parts): HTTPMethod(parts.method)
    }
  }

  /// The request target up to the `?`, with its percent-escapes: decode it segment by segment with
  /// `PercentEncoding`. Of a target in absolute form it is the path
  /// alone. It may also be `*`.
  public var path: String {
    switch source {
    case .live(let record): record.connection.text(record.path)
    case .made(let parts): parts.path
    }
  }

  /// The bytes of `path`, without those of a text.
  func withPath<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch source {
    case .live(let record): try body(record.connection.bytes(record.path))
    case .made(let parts): try withBytes(of: parts.path, body)
    }
  }

  /// Whether there may be query values.
  var hasQuery: Bool {
    switch source {
    case .live(let record): record.head.hasQuery
    case .made(let parts): !parts.query.isEmpty
    }
  }

  /// The value of the first query parameter of this name, with `+` and percent-escapes decoded; a
  /// value with a malformed escape is given as sent. Empty for a parameter without `=`, nil for
  /// none. Names are compared as sent, without regard to ASCII case.
  public func queryValue(_ name: StaticString) -> String? {
    let raw: String?
    switch source {
    case .live(let record):
      raw = record.head.parameter(name).map { String(decoding: $0, as: UTF8.self) }
    case .made(let parts): raw = Self.value(of: "\(name)", inQuery: parts.query)
    }
    return raw.map { PercentEncoding.decode($0) ?? $0 }
  }

  /// The bytes of the first query parameter of this name, nil for none, with `+` replaced by a space
  /// and percent-escapes as sent.
  func withQueryValue<Result>(
    _ name: StaticString, _ body: (UnsafeRawBufferPointer?) -> Result
  ) -> Result {
    switch source {
    case .live(let record): return body(record.head.parameter(name))
    case .made(let parts):
      let value = Self.value(of: "\(name)", inQuery: parts.query)
      return value.map { withBytes(of: $0, body) } ?? body(nil)
    }
  }

  /// The first header of this name, in any case.
  public func header(_ name: String) -> String? {
    switch source {
    case .live(let record): record.connection.header(name)
    case .made(let parts):
      parts.headers.first { equalsIgnoringASCIICase($0.name, name) }?.value
    }
  }

  /// The elements of a header that is a list, which may stand on several lines (RFC 9110, section
  /// 5.3); nil if the header is missing or empty.
  func list(_ name: String) -> String? {
    let values: [String]
    switch source {
    case .live(let record): values = record.connection.headers(name)
    case .made(let parts):
      values = parts.headers.filter { equalsIgnoringASCIICase($0.name, name) }.map(\.value)
    }
    let list = values.filter { !$0.isEmpty }.joined(separator: ", ")
    return list.isEmpty ? nil : list
  }

  /// As the other `list`. The usual header, which stands on one line, is found without a search.
  func list(_ header: RequestHeader) -> String? {
    if case .live(let record) = source, record.head.count(of: header) <= 1 {
      return self.header(header).flatMap { $0.isEmpty ? nil : $0 }
    }
    return list("\(header.name)")
  }

  /// The first of these headers.
  func header(_ header: RequestHeader) -> String? {
    withHeader(header) { $0.map { String(decoding: $0, as: UTF8.self) } }
  }

  /// Whether there is a header of this name.
  func has(_ header: RequestHeader) -> Bool { withHeader(header) { $0 != nil } }

  /// The bytes of the first of these headers, nil for none, without those of a text.
  func withHeader<Result>(
    _ header: RequestHeader, _ body: (UnsafeRawBufferPointer?) -> Result
  ) -> Result {
    switch source {
    case .live(let record): return body(record.head[header])
    case .made(let parts):
      let name = "\(header.name)"
      let value = parts.headers.first { equalsIgnoringASCIICase($0.name, name) }?.value
      return value.map { withBytes(of: $0, body) } ?? body(nil)
    }
  }

  /// The body, whatever the method, unpacked if it was sent with `Content-Encoding: gzip`. Trailers
  /// of a chunked body are dropped. Of a spooled body it is only the part in memory: `bodyLines` has
  /// all of it.
  public var body: [UInt8] {
    switch source {
    case .live(let record):
      if !record.isSpooled { record.joinBlocks() }
      return record.body
    case .made(let parts): return parts.body
    }
  }

  /// An empty body for the reply, with the room of one before it, so that nothing has to be allocated
  /// for one that is no longer. To be asked for once.
  func emptyBody() -> [UInt8] {
    switch source {
    case .live(let record): record.lendBody()
    case .made: []
    }
  }

  /// Whether the body is read by `bodyLines` only.
  var isSpooled: Bool {
    switch source {
    case .live(let record): record.isSpooled
    case .made: false
    }
  }

  /// Reserves memory for the work on this request, from the budget of request bodies. It is released
  /// by `forgetBody`, or when the request is complete.
  ///
  /// - Throws: `HTTPRefusal` as `BodyBudget.reserveMemory` does.
  func reserveMemory(_ bytes: Int) throws(HTTPRefusal) {
    guard case .live(let record) = source else { return }
    try record.loop.budget.reserveMemory(bytes, beside: record.reservedBytes)
    record.reservedBytes += bytes
  }

  /// Frees a body that has been parsed, and its reservation, while the request goes on: it
  /// may wait for its session. The body must not be read again. A short body, for which nothing was
  /// reserved, stays.
  ///
  /// - Parameter kept: bytes of the values that were made of the body, which are still in use
  func forgetBody(keeping kept: Int) {
    guard case .live(let record) = source else { return }
    record.forgetBody(keeping: kept)
  }

  /// The bytes of the body.
  public var bodyCount: Int {
    switch source {
    case .live(let record): record.bodyBytes
    case .made(let parts): parts.body.count
    }
  }

  /// The body line by line, from its begin, wherever it is kept. What is taken here may be used
  /// longer than the request.
  public var bodyLines: HTTPBodyLines {
    switch source {
    case .live(let record):
      // Later the file would be missing without a trace.
      _ = record.connection
      return HTTPBodyLines(
        head: record.body, file: record.bodyFile, limit: record.loop.settings.maxBodyBytes,
        unpackedLimit: record.isSpooled && record.isPacked ? record.bodyLimit : nil,
        budget: record.loop.budget)
    case .made(let parts):
      return HTTPBodyLines(head: parts.body, file: nil, limit: parts.maxLineBytes)
    }
  }

  /// Reads what is known of it beside what was sent, or adds to it. For the thread that the request
  /// belongs to.
  func note<Result>(_ body: (inout RequestNotes) -> Result) -> Result {
    switch source {
    case .live(let record): body(&record.notes)
    case .made(let parts): parts.notes.withLock { body(&$0) }
    }
  }

  /// The peer's address without port, such as `127.0.0.1` or `::1`; empty if it is not known, and
  /// for a request without a socket.
  public var remoteAddress: String {
    switch source {
    case .live(let record): record.connection.remoteAddress ?? ""
    case .made: ""
    }
  }

  /// What libmicrohttpd does with a query, for requests that it never saw.
  private static func value(of name: String, inQuery query: String) -> String? {
    for parameter in query.utf8.split(separator: UInt8(ascii: "&")) {
      let parts = parameter.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard equalsIgnoringASCIICase(spaced(parts[0]), name) else { continue }
      return parts.count == 2 ? spaced(parts[1]) : ""
    }
    return nil
  }

  private static func spaced(_ text: Substring.UTF8View) -> String {
    String(decoding: text.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
  }
}

private func withBytes<Result, Failure: Error>(
  of text: String, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  let bytes = Array(text.utf8)
  return try bytes.withUnsafeBufferPointer { bytes throws(Failure) in
    try body(UnsafeRawBufferPointer(bytes))
  }
}
