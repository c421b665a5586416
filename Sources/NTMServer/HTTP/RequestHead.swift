/// The headers that the server looks at by itself, whatever the request.
enum RequestHeader: Int, CaseIterable {
  case accept, acceptEncoding, authorization, contentEncoding, contentLength, contentType, host
  case idempotencyKey, origin, requestID, transferEncoding

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

  /// - Parameter bytes: of the request line and the headers
  func clear(bytes: Int) {
    storage.pointee.values.initialize(
      repeating: UnsafeRawBufferPointer(start: nil, count: 0), count: Self.count)
    storage.pointee.counts.initialize(repeating: 0, count: Self.count)
    storage.pointee.parameterCount = 0
    storage.pointee.memory = bytes
  }

  func addHeader(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    storage.pointee.memory += MicroHTTPD.Limits.bytesPerValue
    guard let index = Self.index(of: name) else { return }
    if storage.pointee.counts[index] == 0 { storage.pointee.values[index] = value }
    storage.pointee.counts[index] += 1
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
