/// Chooses the form of a reply by the `Accept` header (RFC 9110, section 12.5.1).
enum MediaType: String, CaseIterable {
  case json = "application/json"
  case csv = "text/csv"
  case safeTensors = "application/vnd.safetensors"
  case jsonLines = "application/x-ndjson"
  case eventStream = "text/event-stream"

  /// The one of `offered` that the client likes best; the first where it does not say.
  ///
  /// - Throws: `Problem` 406 where it takes none of them.
  static func preferred(
    of offered: [MediaType], for request: HTTPRequest
  ) throws(Problem) -> MediaType {
    guard let accept = request.list(.accept), accept != "*/*" else { return offered[0] }
    let ranges = accept.split(separator: ",").map(Range.init)
    let ranked = offered.map { type in (type, quality: type.quality(in: ranges)) }
    let best = ranked.map(\.quality).max() ?? 0
    guard best > 0, let choice = ranked.first(where: { $0.quality == best }) else {
      let names = offered.map(\.rawValue)
      throw Problem(
        .notAcceptable, "Accept is \(accept); there is \(names.joined(separator: " and "))",
        fields: ["offered": .list(names)])
    }
    return choice.0
  }

  /// Other names of NDJSON.
  private static let namesOfJSONLines = [
    jsonLines.rawValue, "application/ndjson", "application/jsonl", "application/x-jsonlines",
  ].map { Array($0.utf8) }

  /// Whether a request's body is said to have a JSON value on each line.
  static func isJSONLines(_ request: HTTPRequest) -> Bool {
    request.withHeader(.contentType) { type in
      guard let type else { return false }
      let end = type.firstIndex {
        $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t")
      }
      let name = UnsafeRawBufferPointer(rebasing: type[..<(end ?? type.endIndex)])
      return namesOfJSONLines.contains { equalsIgnoringASCIICase($0, name) }
    }
  }

  /// One element of `Accept`, such as "text/*;q=0.5".
  private struct Range {
    let name: String
    let quality: Double

    init(_ text: Substring) {
      let parts = text.split(separator: ";").map { part in
        part.filter { $0 != " " && $0 != "\t" }.lowercased()
      }
      name = parts.first ?? ""
      quality =
        parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
    }
  }

  private func quality(in ranges: [Range]) -> Double {
    let group = rawValue.prefix { $0 != "/" } + "/*"
    for name in [rawValue, String(group), "*/*"] {
      if let range = ranges.first(where: { $0.name == name }) { return range.quality }
    }
    return 0
  }
}
