/// How much of a request's body is taken, and where it is kept until the request is complete.
enum HTTPBodyLimit: Sendable, Equatable {
  /// In memory. Where it is less, the server's `maxBodyBytes` is the limit.
  case memory(max: Int)
  /// Beyond the first MiB in a temporary file. What reads such a body uses `bodyLines`.
  case spooled(max: Int)
}

extension HTTPHandler {
  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit { .memory(max: .max) }
}

/// The way of a request's body into memory or onto disk. All of it runs on the loop's thread.
///
/// Writing to disk there holds up the loop's other connections, but as long as the system has memory
/// to write to, it costs little more than the copy.
extension EventLoop {
  /// Bytes of a spooled body that stay in memory.
  static let memoryOfSpooled = 1 << 20
  /// Bytes of a body that are reserved before they have come: a header must not cost more.
  private static let largestReservation = 1 << 20

  /// How many bytes beyond its limit are read of a body that grew past it, for the sake of an
  /// answer: a chunked upload can only be answered when it is over.
  private var discardLimit: Int { max(settings.maxBodyBytes, 64 << 10) }

  /// A body is coming.
  ///
  /// - Parameter length: nil where it isn't known
  /// - Returns: why it is not taken
  func expectBody(of record: RequestRecord, length: UInt64?) -> HTTPRefusal? {
    if let coding = record.head[.contentEncoding] {
      switch ContentCoding.Request(
        String(decoding: coding, as: UTF8.self), count: record.head.count(of: .contentEncoding))
      {
      case .identity: break
      case .gzip: record.decompressor = GzipDecompressor()
      case .unknown(let coding): return .unsupportedCoding(coding)
      }
    }
    switch handler.bodyLimit(for: HTTPRequest(record)) {
    case .memory(let limit): record.bodyLimit = max(0, min(limit, settings.maxBodyBytes))
    case .spooled(let limit):
      record.bodyLimit = max(0, limit)
      record.isSpooled = true
    }
    guard let length else { return nil }
    guard length <= UInt64(sentLimit(record)) else { return .bodyTooLarge(limit: record.bodyLimit) }
    record.expectedBytes = Int(length)
    // Of a packed one it is the least that it takes.
    record.body.reserveCapacity(min(Int(length), Self.largestReservation))
    return nil
  }

  /// A part of the body is here. A result of false means that the connection is dropped.
  func receive(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> Bool {
    record.receivedBytes += part.count
    if record.bodyRefusal == nil {
      record.bodyRefusal = take(part, record)
      if record.bodyRefusal != nil { record.dropBody() }
    }
    if record.receivedBytes != record.expectedBytes {
      record.connection.socket.noticeEndOfStream()
    }
    return record.bodyRefusal == nil || record.receivedBytes - record.bodyLimit <= discardLimit
  }

  /// The body is complete.
  ///
  /// - Returns: why it is of no use
  func endBody(of record: RequestRecord) -> HTTPRefusal? {
    guard let decompressor = record.decompressor else { return nil }
    record.decompressor = nil
    if decompressor.isComplete { return nil }
    record.dropBody()
    return .malformed(reason: "the body's gzip ends too early")
  }

  /// Bytes that may come: what can't be packed becomes a little longer by it.
  private func sentLimit(_ record: RequestRecord) -> Int {
    guard record.decompressor != nil else { return record.bodyLimit }
    let (limit, overflow) = record.bodyLimit.addingReportingOverflow(record.bodyLimit / 1000 + 1024)
    return overflow ? .max : limit
  }

  private func take(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> HTTPRefusal? {
    guard record.receivedBytes <= sentLimit(record) else {
      return .bodyTooLarge(limit: record.bodyLimit)
    }
    guard let decompressor = record.decompressor else { return keep(part, record) }
    var refusal: HTTPRefusal?
    do throws(GzipDecompressor.Failure) {
      try decompressor.decompress(part) { block in
        refusal = keep(block, record)
        return refusal == nil
      }
      return refusal
    } catch {
      return .malformed(reason: "the body's gzip is damaged: \(error.reason)")
    }
  }

  private func keep(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> HTTPRefusal? {
    record.bodyBytes += part.count
    return record.bodyBytes > record.bodyLimit
      ? .bodyTooLarge(limit: record.bodyLimit) : store(part, record)
  }

  private func store(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> HTTPRefusal? {
    let room = record.isSpooled ? Self.memoryOfSpooled - record.body.count : part.count
    record.body.append(contentsOf: UnsafeRawBufferPointer(rebasing: part.prefix(room)))
    guard part.count > room else { return nil }
    do throws(BodyFile.Failure) {
      let file: BodyFile
      if let begun = record.bodyFile {
        file = begun
      } else {
        file = try BodyFile(in: settings.temporaryDirectory)
        record.bodyFile = file
      }
      try file.append(UnsafeRawBufferPointer(rebasing: part[room...]))
      return nil
    } catch {
      log("a body could not be stored: \(error.reason)")
      return .bodyNotStored(reason: error.reason)
    }
  }
}
