/// How much of a request's body is kept, and where, until the request is complete.
enum HTTPBodyLimit: Sendable, Equatable {
  /// Nothing is kept: the request has no use for a body. Up to `EventLoop.mostDiscarded` bytes are
  /// received and dropped, since clients send such bodies; a longer one is refused with 413.
  case discarded
  /// In memory, up to `max` bytes and the server's `maxBodyBytes`.
  case memory(max: Int)
  /// Beyond the first MiB in a temporary file. The handler reads such a body by `bodyLines` only.
  case spooled(max: Int)
}

extension HTTPHandler {
  func bodyLimit(for request: HTTPRequest) -> HTTPBodyLimit { .memory(max: .max) }
}

/// The way of a request's body into memory or onto disk. All of it runs on the loop's thread, except
/// the unpacking, which runs on a worker.
///
/// Writing to disk there holds up the loop's other connections, but as long as the system has memory
/// to write to, it costs little more than the copy.
extension EventLoop {
  /// Bytes of a spooled body that stay in memory.
  static let memoryOfSpooled = 1 << 20
  /// Bytes of a body that are discarded.
  static let mostDiscarded = 64 << 10

  /// How many bytes beyond its limit are read of a body that grew past it, for the sake of an
  /// answer: a chunked upload can only be answered when it is over.
  private var discardLimit: Int { max(settings.maxBodyBytes, Self.mostDiscarded) }

  /// A body is coming.
  ///
  /// - Parameter length: nil if the client does not say
  /// - Returns: why it is not accepted
  func expectBody(of record: RequestRecord, length: UInt64?) -> HTTPRefusal? {
    switch handler.bodyLimit(for: HTTPRequest(record)) {
    case .discarded:
      record.bodyLimit = Self.mostDiscarded
      record.isDiscarded = true
    case .memory(let limit): record.bodyLimit = max(0, min(limit, settings.maxBodyBytes))
    case .spooled(let limit):
      record.bodyLimit = max(0, limit)
      record.isSpooled = true
    }
    if !record.isDiscarded, let refusal = readCoding(of: record) { return refusal }
    guard let length else {
      record.client.receivesPart()
      return nil
    }
    guard length <= UInt64(sentLimit(record)) else { return tooLong(record) }
    record.expectedBytes = Int(length)
    if !record.isDiscarded, length <= UInt64(BodyBudget.freeBytes) {
      record.body.reserveCapacity(Int(length))
    }
    return nil
  }

  private func readCoding(of record: RequestRecord) -> HTTPRefusal? {
    guard let coding = record.head[.contentEncoding] else { return nil }
    switch ContentCoding.Request(
      String(decoding: coding, as: UTF8.self), count: record.head.count(of: .contentEncoding))
    {
    case .identity: return nil
    case .gzip:
      record.isPacked = true
      return nil
    case .unknown(let coding): return .unsupportedCoding(coding)
    }
  }

  /// A part of the body is here. A result of false means that the connection is dropped.
  func receive(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> Bool {
    activity &+= 1
    record.receivedBytes += part.count
    if record.expectedBytes == nil { record.client.receivesPart() }
    if record.bodyRefusal == nil {
      record.bodyRefusal = keep(part, record)
      if let refusal = record.bodyRefusal {
        record.dropBody()
        // What nobody asked for is not worth receiving for the sake of an answer.
        if record.isDiscarded {
          cutOff(record.client, refusal)
          return true
        }
      }
    }
    if record.receivedBytes != record.expectedBytes {
      record.connection.socket.noticeEndOfStream()
    }
    return record.bodyRefusal == nil || record.receivedBytes - record.bodyLimit <= discardLimit
  }

  /// Bytes that may come: what can't be packed becomes a little longer by packing.
  private func sentLimit(_ record: RequestRecord) -> Int {
    guard record.isPacked else { return record.bodyLimit }
    let (limit, overflow) = record.bodyLimit.addingReportingOverflow(record.bodyLimit / 1000 + 1024)
    return overflow ? .max : limit
  }

  private func tooLong(_ record: RequestRecord) -> HTTPRefusal {
    record.isDiscarded
      ? .unwantedBody(limit: record.bodyLimit) : .bodyTooLarge(limit: record.bodyLimit)
  }

  private func keep(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> HTTPRefusal? {
    guard record.receivedBytes <= sentLimit(record) else { return tooLong(record) }
    if record.isDiscarded { return nil }
    record.bodyBytes += part.count
    let room = record.isSpooled ? Self.memoryOfSpooled - record.body.count : part.count
    if room > 0, let refusal = append(UnsafeRawBufferPointer(rebasing: part.prefix(room)), record) {
      return refusal
    }
    guard part.count > room else { return nil }
    do throws(BodyFile.Failure) {
      try spool(UnsafeRawBufferPointer(rebasing: part[max(0, room)...]), record)
      return nil
    } catch {
      log("a body could not be stored: \(error.reason)")
      return .bodyNotStored(reason: error.reason, isFull: error.isFull)
    }
  }

  private func append(
    _ part: UnsafeRawBufferPointer, _ record: RequestRecord
  ) -> HTTPRefusal? {
    guard record.reserveBody(record.body.count + part.count, from: budget) else {
      return .bodiesTooLarge(limit: budget.memory.limit)
    }
    record.body.append(contentsOf: part)
    return nil
  }

  private func spool(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) throws(BodyFile
    .Failure)
  {
    if let file = record.bodyFile { return try file.append(part) }
    let file = try BodyFile(in: settings.temporaryDirectory, budget: budget)
    record.bodyFile = file
    try file.append(part)
  }

  // MARK: Unpacking

  /// Has a worker unpack the body, which then takes the place of the packed one. A spooled body stays
  /// packed on disk, and its reader unpacks it once more: here it is only checked, so that a damaged
  /// one is refused before any of it is applied.
  func unpack(_ record: RequestRecord) {
    record.phase = .unpacking
    // First, because a worker may be faster than this function.
    suspend(record)
    workers.submit(
      WorkerPool.Item(
        run: {
          record.bodyRefusal =
            record.isSpooled ? record.loop.checked(record) : record.loop.unpacked(record)
          record.loop.resume(record)
        },
        refuse: {
          record.bodyRefusal = $0
          record.loop.resume(record)
        }))
  }

  /// - Returns: why the body is of no use
  private func unpacked(_ record: RequestRecord) -> HTTPRefusal? {
    let packed = record.body
    record.body = []
    record.bodyBytes = 0
    let decompressor = GzipDecompressor()
    var refusal: HTTPRefusal?
    do throws(GzipDecompressor.Failure) {
      try packed.withUnsafeBufferPointer { packed throws(GzipDecompressor.Failure) in
        try decompressor.decompress(UnsafeRawBufferPointer(packed)) { block in
          record.bodyBytes += block.count
          refusal =
            record.bodyBytes > record.bodyLimit
            ? .bodyTooLarge(limit: record.bodyLimit) : append(block, record)
          return refusal == nil
        }
      }
      guard refusal == nil, !decompressor.isComplete else { return refusal }
      return .malformed(reason: "the body's gzip ends too early")
    } catch {
      return .malformed(reason: "the body's gzip is damaged: \(error.reason)")
    }
  }

  /// - Returns: why the spooled body is of no use
  private func checked(_ record: RequestRecord) -> HTTPRefusal? {
    var lines = HTTPRequest(record).bodyLines
    do throws(HTTPBodyError) {
      record.bodyBytes = try lines.countBytes()
      return nil
    } catch {
      switch error {
      case .tooLong(let limit): return .bodyTooLarge(limit: limit)
      case .damaged(let reason): return .malformed(reason: "the body's gzip is damaged: \(reason)")
      case .unreadable(let reason): return .bodyNotStored(reason: reason, isFull: false)
      case .lineTooLong: preconditionFailure("no line was read")
      }
    }
  }
}

extension RequestRecord {
  /// Makes room for a body of this many bytes, at least twice the room that there was, so that the
  /// copies of a growing body cost no more than the body.
  ///
  /// - Returns: false if the budget is used up
  fileprivate func reserveBody(_ count: Int, from budget: BodyBudget) -> Bool {
    guard count > max(BodyBudget.freeBytes, reservedBytes) else { return true }
    var room = max(count, max(4 * BodyBudget.freeBytes, 2 * reservedBytes))
    if let expectedBytes, !isPacked { room = max(count, min(room, expectedBytes)) }
    guard budget.memory.reserve(room - reservedBytes) else { return false }
    reservedBytes = room
    body.reserveCapacity(room)
    return true
  }
}
