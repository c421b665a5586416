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

/// The way of a request's body into memory or onto disk. The parts arrive on the loop's thread, which
/// does nothing long: it copies them into blocks, and never moves a long body to a larger place. A
/// worker writes the blocks to disk, joins and unpacks them.
extension EventLoop {
  /// Bytes of a spooled body that stay in memory.
  static let memoryOfSpooled = 1 << 20
  /// Bytes of a body that are discarded.
  static let mostDiscarded = 64 << 10
  /// Bytes of a body in memory that are kept in one piece while it arrives.
  private static let bytesInOnePiece = 16 << 10

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
    record.client.isPaused = false
    record.receivedBytes += part.count
    if record.expectedBytes == nil { record.client.receivesPart() }
    if record.bodyRefusal == nil {
      record.bodyRefusal = keep(part, record)
      if let refusal = record.bodyRefusal {
        record.dropBody()
        // An unwanted body is not received to its end just to send an answer.
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

  /// Most bytes on the wire: gzip makes incompressible data a little longer.
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
    let limit = record.isSpooled ? Self.memoryOfSpooled : Self.bytesInOnePiece
    // Once a part is in a block, all parts after it are.
    let room = record.blocks.isEmpty && record.bodyFile == nil ? limit - record.body.count : 0
    let first = part.prefix(record.isSpooled || part.count <= room ? max(0, room) : 0)
    if !first.isEmpty, !append(UnsafeRawBufferPointer(rebasing: first), record) {
      return .bodiesTooLarge(limit: budget.memory.limit)
    }
    guard first.count < part.count else { return nil }
    return record.addToBlocks(UnsafeRawBufferPointer(rebasing: part[first.count...]), budget)
      ? nil : .bodiesTooLarge(limit: budget.memory.limit)
  }

  /// - Returns: false if the budget is used up
  private func append(_ part: UnsafeRawBufferPointer, _ record: RequestRecord) -> Bool {
    guard record.reserveBody(record.body.count + part.count, from: budget) else { return false }
    record.body.append(contentsOf: part)
    return true
  }

  // MARK: Turns

  /// Whether a part has to wait for a later run of the library.
  func mustWait(_ record: RequestRecord, partOf bytes: Int) -> Bool {
    if record.hasTurn {
      record.hasTurn = false
      return false
    }
    return !bodyTurns.mayReceive(bytes)
  }

  /// Leaves a part in the library's buffer until a later run.
  func postpone(_ record: RequestRecord) {
    record.client.isPaused = true
    suspend(record)
    bodyTurns.postpone(record)
  }

  /// Begins a run of the library.
  func resumePostponed() {
    for record in bodyTurns.next() {
      record.hasTurn = true
      resume(record)
    }
  }

  // MARK: On workers

  /// Whether the next part has to wait until a worker has written the blocks to disk.
  func mustStore(_ record: RequestRecord) -> Bool {
    record.isSpooled && record.bodyRefusal == nil && record.blocks.count > 1
  }

  /// Has a worker write the blocks of a spooled body to disk. The connection is suspended meanwhile,
  /// and the rest of the body arrives afterwards.
  func storeBlocks(_ record: RequestRecord) {
    record.client.isPaused = true
    // A body that is arriving waits for a worker, since its client can't send it again at once.
    onWorker(record, isAdmitted: true) { nil }
  }

  /// Has a worker do what is left to do for a body that has arrived. The connection is suspended
  /// meanwhile.
  ///
  /// A packed body in memory is replaced by the unpacked one. A spooled body stays packed on disk, and
  /// its reader unpacks it once more: here it is only checked, so that a damaged one is refused before
  /// any of it is applied.
  ///
  /// - Returns: false if nothing is left to do
  func finishBody(_ record: RequestRecord) -> Bool {
    guard record.isPacked || record.isSpooled && !record.blocks.isEmpty else { return false }
    record.phase = .finishing
    onWorker(record, isAdmitted: false) {
      guard record.isPacked else { return nil }
      return record.isSpooled ? self.checked(record) : self.unpacked(record)
    }
    return true
  }

  private func onWorker(
    _ record: RequestRecord, isAdmitted: Bool, _ work: @escaping @Sendable () -> HTTPRefusal?
  ) {
    // First, because a worker may be faster than this function.
    suspend(record)
    // The loop is held, because it is woken when the request may already be over.
    let resume: @Sendable (HTTPRefusal?) -> Void = { refusal in
      record.bodyRefusal = refusal
      if refusal != nil { record.dropBody() }
      self.resume(record)
    }
    workers.submit(
      WorkerPool.Item(
        run: { resume((record.isSpooled ? self.stored(record) : nil) ?? work()) },
        refuse: resume),
      isAdmitted: isAdmitted)
  }

  /// - Returns: why the blocks could not be written to disk
  private func stored(_ record: RequestRecord) -> HTTPRefusal? {
    do throws(BodyFile.Failure) {
      for block in record.blocks {
        let file: BodyFile
        if let begun = record.bodyFile {
          file = begun
        } else {
          file = try BodyFile(in: settings.temporaryDirectory, budget: budget)
          record.bodyFile = file
        }
        try block.withBytes { bytes throws(BodyFile.Failure) in try file.append(bytes) }
      }
      record.freeBlocks()
      return nil
    } catch {
      log("a body could not be stored: \(error.reason)")
      return .bodyNotStored(reason: error.reason, isFull: error.isFull)
    }
  }

  /// - Returns: why the body is of no use
  private func unpacked(_ record: RequestRecord) -> HTTPRefusal? {
    record.joinBlocks()
    let packed = record.body
    let reserved = record.startUnpacking()
    defer { record.release(reserved) }
    let decompressor = GzipDecompressor()
    var refusal: HTTPRefusal?
    do throws(GzipDecompressor.Failure) {
      try packed.withUnsafeBufferPointer { packed throws(GzipDecompressor.Failure) in
        try decompressor.decompress(UnsafeRawBufferPointer(packed)) { block in
          record.bodyBytes += block.count
          if record.bodyBytes > record.bodyLimit {
            refusal = .bodyTooLarge(limit: record.bodyLimit)
          } else if !append(block, record) {
            refusal = .bodiesTooLarge(limit: budget.memory.limit)
          }
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
