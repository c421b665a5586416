/// The headers that the server looks at by itself, whatever the request.
enum RequestHeader: Int, CaseIterable {
  case accept, acceptEncoding, authorization, contentEncoding, contentLength, contentType, host
  case idempotencyKey, lastEventID, origin, requestID, transferEncoding

  /// Fields whose repetition is refused. `Host` and the framing have checks of their own.
  static let singletons: [RequestHeader] = [
    .authorization, .contentType, .idempotencyKey, .lastEventID, .origin,
  ]

  var name: StaticString {
    switch self {
    case .accept: "Accept"
    case .acceptEncoding: "Accept-Encoding"
    case .authorization: "Authorization"
    case .contentEncoding: "Content-Encoding"
    case .contentLength: "Content-Length"
    case .contentType: "Content-Type"
    case .host: "Host"
    case .idempotencyKey: "Idempotency-Key"
    case .lastEventID: "Last-Event-ID"
    case .origin: "Origin"
    case .requestID: "X-Request-Id"
    case .transferEncoding: "Transfer-Encoding"
    }
  }
}

/// The headers and the query of a connection's present request, found in one pass over them. Its bytes
/// are in the connection's memory: they are valid until the request is completed.
///
/// A pointer rather than a class, because each look at one would count references.
///
/// `@unchecked Sendable`: it is written by the event loop when the headers are there, and read by
/// whoever the request belongs to from then on.
struct RequestHead: @unchecked Sendable {
  private struct Parameter {
    let name: UnsafeRawBufferPointer
    /// Empty where there is no `=`.
    let value: UnsafeRawBufferPointer
  }

  private struct Storage {
    /// The first of each header; no base where there is none.
    let values: UnsafeMutablePointer<UnsafeRawBufferPointer>
    /// How often each is there.
    let counts: UnsafeMutablePointer<Int>
    let parameters: UnsafeMutablePointer<Parameter>
    let parameterLimit: Int
    var parameterCount = 0
    var memory = 0
    /// Where the next line of the head must begin, and where the head ends.
    var nextLine: UnsafeRawPointer?
    var end: UnsafeRawPointer?
    var defect: Defect?
    /// A bit for each header whose value had white space behind it.
    var trimmed: UInt32 = 0
  }

  /// Why the head may mean something else to another parser.
  private enum Defect {
    case line, name, value

    var reason: String {
      switch self {
      case .line: "a line of the head does not end with CR LF, is folded, or has a NUL"
      case .name: "a field's name is not a token: it is empty, or has white space or a separator"
      case .value: "a field's value has a control character"
      }
    }
  }

  private let storage: UnsafeMutablePointer<Storage>

  private static let count = RequestHeader.allCases.count

  /// For a connection, until `deallocate`.
  ///
  /// - Parameter parameterLimit: of the longest query; a request with more of them was refused
  static func allocate(parameterLimit: Int) -> RequestHead {
    let head = RequestHead(storage: .allocate(capacity: 1))
    head.storage.initialize(
      to: Storage(
        values: .allocate(capacity: count), counts: .allocate(capacity: count),
        parameters: .allocate(capacity: parameterLimit), parameterLimit: parameterLimit))
    head.clear(bytes: 0)
    return head
  }

  func deallocate() {
    storage.pointee.values.deallocate()
    storage.pointee.counts.deallocate()
    storage.pointee.parameters.deallocate()
    storage.deallocate()
  }

  // MARK: Filling it

  /// What a C function passes on.
  var context: UnsafeMutableRawPointer { UnsafeMutableRawPointer(storage) }

  init(context: UnsafeMutableRawPointer) {
    storage = context.assumingMemoryBound(to: Storage.self)
  }

  private init(storage: UnsafeMutablePointer<Storage>) { self.storage = storage }

  /// - Parameters:
  ///   - bytes: of the request line and the headers
  ///   - start: where they begin
  ///   - firstLine: where the first header begins
  func clear(
    bytes: Int, start: UnsafeRawPointer? = nil, firstLine: UnsafeRawPointer? = nil
  ) {
    storage.pointee.values.initialize(
      repeating: UnsafeRawBufferPointer(start: nil, count: 0), count: Self.count)
    storage.pointee.counts.initialize(repeating: 0, count: Self.count)
    storage.pointee.parameterCount = 0
    storage.pointee.memory = bytes
    storage.pointee.nextLine = firstLine
    storage.pointee.end = start.map { $0 + bytes }
    storage.pointee.defect = nil
    storage.pointee.trimmed = 0
  }

  /// The bytes that end a line, which libmicrohttpd has replaced: CR and LF.
  private static let lineEnd = 2

  /// Follows the lines of the head in the connection's memory, from one header to the next.
  /// libmicrohttpd accepts lines that end with LF alone, folded lines, and NULs, and then takes other
  /// bytes for headers than the parsers of proxies do; the lines do not follow each other then.
  private func follow(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    guard storage.pointee.defect == nil else { return }
    guard let nextLine = storage.pointee.nextLine, name.baseAddress == nextLine,
      let end = value.baseAddress.map({ $0 + value.count }), isLineEnd(end)
    else {
      storage.pointee.defect = .line
      return
    }
    storage.pointee.nextLine = end + Self.lineEnd
    if name.isEmpty || !FieldBytes.token.containsAll(of: name) {
      storage.pointee.defect = .name
    } else if !FieldBytes.areValue(value) {
      storage.pointee.defect = .value
    }
  }

  private func isLineEnd(_ place: UnsafeRawPointer) -> Bool {
    guard let end = storage.pointee.end, place + Self.lineEnd <= end else { return false }
    return place.load(as: UInt8.self) == 0 && place.load(fromByteOffset: 1, as: UInt8.self) == 0
  }

  /// Why the head is malformed; nil if it is not.
  ///
  /// - Parameter isComplete: whether all headers have been added
  func defect(isComplete: Bool) -> String? {
    if let defect = storage.pointee.defect { return defect.reason }
    // An empty line is the end.
    guard isComplete, let last = storage.pointee.nextLine, let end = storage.pointee.end else {
      return nil
    }
    return isLineEnd(last) && last + Self.lineEnd == end ? nil : Defect.line.reason
  }

  func addHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    storage.pointee.memory += MicroHTTPD.Limits.bytesPerValue
    follow(name, value)
    guard let index = Self.index(of: name) else { return }
    let trimmed = Self.trimmed(value)
    if trimmed.count < value.count { storage.pointee.trimmed |= 1 << index }
    if storage.pointee.counts[index] == 0 { storage.pointee.values[index] = trimmed }
    storage.pointee.counts[index] += 1
  }

  /// A value without the white space behind it, which is not part of it (RFC 9110, section 5.5).
  /// libmicrohttpd has removed the white space before it.
  static func trimmed(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var count = value.count
    while count > 0, value[count - 1] == 0x20 || value[count - 1] == 0x09 { count -= 1 }
    return UnsafeRawBufferPointer(rebasing: value[..<count])
  }

  /// Replaces the host by that of a target in absolute form.
  func setHost(_ host: UnsafeRawBufferPointer) {
    storage.pointee.values[RequestHeader.host.rawValue] = host
    storage.pointee.counts[RequestHeader.host.rawValue] = 1
  }

  func addParameter(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    storage.pointee.memory += MicroHTTPD.Limits.bytesPerValue
    let count = storage.pointee.parameterCount
    guard count < storage.pointee.parameterLimit else { return }
    (storage.pointee.parameters + count).initialize(to: Parameter(name: name, value: value))
    storage.pointee.parameterCount = count + 1
  }

  private static func index(of name: UnsafeRawBufferPointer) -> Int? {
    guard name.count < headersOfLength.count else { return nil }
    var candidates = headersOfLength[name.count]
    while candidates != 0 {
      let index = candidates.trailingZeroBitCount
      if equalsIgnoringCase(name, names[index]) { return index }
      candidates &= candidates - 1
    }
    return nil
  }

  private static let names = RequestHeader.allCases.map(\.name)
  /// For each length of a name, a bit for each header whose name has it.
  private static let headersOfLength = {
    var headers = InlineArray<18, UInt32>(repeating: 0)
    for (index, name) in names.enumerated() { headers[name.utf8CodeUnitCount] |= 1 << index }
    return headers
  }()

  private static func equalsIgnoringCase(
    _ name: UnsafeRawBufferPointer, _ known: StaticString
  ) -> Bool {
    equalsIgnoringASCIICase(
      UnsafeBufferPointer(start: known.utf8Start, count: known.utf8CodeUnitCount), name)
  }

  // MARK: Asking it

  /// Bytes of the connection's memory that all of it takes.
  var memory: Int { storage.pointee.memory }

  /// The first of this name; nil for none.
  subscript(header: RequestHeader) -> UnsafeRawBufferPointer? {
    count(of: header) > 0 ? storage.pointee.values[header.rawValue] : nil
  }

  /// Whether there was white space behind the value of a header.
  func isTrimmed(_ header: RequestHeader) -> Bool {
    storage.pointee.trimmed >> header.rawValue & 1 != 0
  }

  func count(of header: RequestHeader) -> Int { storage.pointee.counts[header.rawValue] }

  var hasQuery: Bool { storage.pointee.parameterCount > 0 }

  /// The value of the first parameter of this name, with `+` replaced by a space, percent-escapes as
  /// sent; nil for none. The case of ASCII letters does not count.
  func parameter(_ name: StaticString) -> UnsafeRawBufferPointer? {
    for index in 0..<storage.pointee.parameterCount
    where Self.equalsIgnoringCase(storage.pointee.parameters[index].name, name) {
      return storage.pointee.parameters[index].value
    }
    return nil
  }
}
