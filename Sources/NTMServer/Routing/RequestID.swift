/// Names of requests, by which a client, a log and a proxy speak of the same one.
enum RequestID {
  static let header = "X-Request-Id"

  /// Characters of the longest that is taken from a client.
  static let longest = 128

  /// Whether a client's name can stand in a header, a log and JSON without surprises: visible ASCII.
  static func isSane(_ id: String) -> Bool {
    !id.isEmpty && id.utf8.count <= longest && id.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }

  /// A new one. Making it costs no allocation as long as it has at most 15 characters, which is why
  /// it is not 128 random bits: a random part for the process, and a number.
  static func make() -> String {
    var number = UInt(bitPattern: numbers.takeNumber())
    // Asked for more room than 15 characters, a text takes it on the heap.
    let digitCount = max(1, (UInt.bitWidth - number.leadingZeroBitCount + 4) / 5)
    return String(unsafeUninitializedCapacity: prefix.count + digitCount) { characters in
      for (place, character) in prefix.enumerated() { characters[place] = character }
      for place in prefix.count..<prefix.count + digitCount {
        characters[place] = digits.utf8Start[Int(number & 31)]
        number >>= 5
      }
      return prefix.count + digitCount
    }
  }

  private static let numbers = CounterCells(count: 1)
  /// RFC 4648, section 6, in lower case.
  private static let digits: StaticString = "abcdefghijklmnopqrstuvwxyz234567"
  /// 40 random bits and a hyphen: replicas and restarts don't give the same names.
  private static let prefix: [UInt8] = {
    var generator = SystemRandomNumberGenerator()
    return (0..<8).map { _ in digits.utf8Start[Int.random(in: 0..<32, using: &generator)] }
      + [UInt8(ascii: "-")]
  }()
}

extension HTTPRequest {
  /// The name that the client gave it in `X-Request-Id`, or a new one.
  var id: String {
    if let id = note({ $0.id }) { return id }
    let id =
      if let own = header(.requestID), RequestID.isSane(own) { own } else { RequestID.make() }
    note { $0.id = id }
    return id
  }

  /// The trace that the client's request belongs to (W3C Trace Context, section 3.2).
  var traceID: String? { header("traceparent").flatMap(TraceParent.traceID) }
}

/// The `traceparent` header, which says where in a distributed trace a request stands.
enum TraceParent {
  /// - Returns: nil where the header is not valid; it is to be ignored then
  static func traceID(_ header: String) -> String? {
    let fields = header.split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count >= 4, isHex(fields[0], 2), fields[0] != "ff",
      isHex(fields[1], 32), fields[1].contains(where: { $0 != "0" }),
      isHex(fields[2], 16), fields[2].contains(where: { $0 != "0" }), isHex(fields[3], 2),
      // Only a later version may have more fields.
      fields.count == 4 || fields[0] != "00"
    else { return nil }
    return String(fields[1])
  }

  private static func isHex(_ field: Substring, _ count: Int) -> Bool {
    field.utf8.count == count
      && field.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }
}
