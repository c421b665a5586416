/// Which replies are packed, and for whom (RFC 9110, sections 8.4 and 12.5.3).
enum ContentCoding {
  /// A shorter body is not worth the work: it is one packet either way.
  static let shortestBody = 1024

  /// Whether a response becomes shorter when it is packed.
  static func isWorthwhile(_ response: HTTPResponse) -> Bool {
    // A part of a representation, or what is packed already, is left alone.
    guard response.body.count >= shortestBody, response.status != 206,
      let type = response.contentType, response.header("Content-Encoding") == nil
    else { return false }
    // Nearly every reply, which should not pay for the others.
    if type == MediaType.json.rawValue { return true }
    let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
    return name.hasPrefix("text/") || suffixes.contains { name.hasSuffix($0) }
      || types.contains(name)
  }

  private static let suffixes = ["+json", "+xml", "+yaml"]
  private static let types: Set = [
    "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl",
    "application/javascript", "application/xml", "application/yaml",
  ]

  /// Whether a client that sends this `Accept-Encoding` takes gzip, and likes it no less than a body
  /// as it is.
  static func acceptsGzip(_ acceptEncoding: String?) -> Bool {
    guard let acceptEncoding else { return false }
    var gzip: Double?
    var identity: Double?
    var others: Double?
    for element in acceptEncoding.split(separator: ",") {
      let parts = element.split(separator: ";").map { part in
        part.filter { $0 != " " && $0 != "\t" }.lowercased()
      }
      let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { $0.dropFirst(2) }
      // What is no number is no permission.
      let quality = weight.map { Double($0) ?? 0 } ?? 1
      switch parts.first {
      case "gzip", "x-gzip": gzip = quality
      case "identity": identity = quality
      case "*": others = quality
      default: break
      }
    }
    let quality = gzip ?? others ?? 0
    return quality > 0 && quality >= identity ?? 0
  }

  /// How a request's body is packed.
  enum Request: Equatable {
    case identity, gzip
    case unknown(String)

    /// - Parameters:
    ///   - contentEncoding: the first header of this name
    ///   - count: how many of them there are
    init(_ contentEncoding: String?, count: Int) {
      switch contentEncoding?.lowercased() {
      case nil, "", "identity": self = count > 1 ? .unknown("several") : .identity
      case "gzip", "x-gzip": self = count > 1 ? .unknown("several") : .gzip
      case let other?: self = .unknown(other)
      }
    }
  }
}

/// The packing of replies. A stream is sent as it is: its lines and events are to arrive one by one,
/// and what packs well is long.
extension EventLoop {
  /// Bytes of the longest body that is packed on the loop: about a quarter of a millisecond. A longer
  /// one is worth the way to a worker, which costs some microseconds.
  private static let longestPackedHere = 16 << 10

  /// Answers with the response, packed if that is worth it and the client takes it.
  func encodeAndAnswer(_ record: RequestRecord, _ response: consuming HTTPResponse) -> Bool {
    if record.isEncoded { return answer(record, response) }
    response = completed(response, record)
    guard response.body.count > Self.longestPackedHere, acceptsGzip(record) else {
      return answer(record, encode(response, for: record, by: compressor))
    }
    let response = consume response
    record.phase = .suspended
    // First, because a worker may be faster than this function.
    suspend(record)
    workers.submit(
      WorkerPool.Item(
        run: { record.loop.finish(record, .whole(record.loop.encode(response, for: record))) },
        // The work is done: without a worker it is sent as it is.
        refuse: { _ in
          record.isEncoded = true
          record.loop.finish(record, .whole(response.varying(by: record.method)))
        }))
    return true
  }

  /// The response, packed if that is worth it and the client takes it. From the thread that the
  /// request belongs to.
  ///
  /// - Parameter compressor: where there is one
  func encode(
    _ response: consuming HTTPResponse, for record: RequestRecord,
    by compressor: @autoclosure () -> GzipCompressor = GzipCompressor()
  ) -> HTTPResponse {
    record.isEncoded = true
    guard ContentCoding.isWorthwhile(response) else { return response }
    response = response.varying(by: record.method)
    if acceptsGzip(record), let packed = compressor().compress(response.body) {
      response.body = packed
      response.headers.append(("Content-Encoding", "gzip"))
    }
    return response
  }

  private func acceptsGzip(_ record: RequestRecord) -> Bool {
    ContentCoding.acceptsGzip(HTTPRequest(record).list(.acceptEncoding))
  }
}

extension HTTPResponse {
  /// Tells caches that another client may get another body. What answers a POST is kept by none,
  /// because nothing says for how long (RFC 9110, section 9.3.3).
  fileprivate consuming func varying(by method: HTTPMethod) -> HTTPResponse {
    if method == .get || method == .head { headers.append(("Vary", "Accept-Encoding")) }
    return self
  }
}
