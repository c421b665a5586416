/// The memory of a request's body: one piece of the body's beginning, and blocks of what follows, all
/// of them reserved in the budget of bodies. It is used by the thread that the record belongs to.
extension RequestRecord {
  /// Bytes of a block. The first one of a body is shorter.
  static let blockSize = 256 << 10
  private static let firstBlockSize = 64 << 10

  /// Makes room for a body in one piece of this many bytes, at least twice the room that there was, so
  /// that the copies of a growing body cost no more than the body.
  ///
  /// - Returns: false if the budget is used up
  func reserveBody(_ count: Int, from budget: BodyBudget) -> Bool {
    guard count > max(BodyBudget.freeBytes, bodyRoom) else { return true }
    var room = max(count, max(4 * BodyBudget.freeBytes, 2 * bodyRoom))
    if let expectedBytes, !isPacked { room = max(count, min(room, expectedBytes)) }
    guard budget.memory.reserve(room - bodyRoom) else { return false }
    reservedBytes += room - bodyRoom
    bodyRoom = room
    body.reserveCapacity(room)
    return true
  }

  /// Appends a part of the body to the last block, and to new ones if that has no room.
  ///
  /// - Returns: false if the budget is used up
  func addToBlocks(_ part: UnsafeRawBufferPointer, _ budget: BodyBudget) -> Bool {
    var rest = part[...]
    while !rest.isEmpty {
      if (blocks.last?.room ?? 0) == 0 {
        var size = blocks.isEmpty && !isSpooled ? Self.firstBlockSize : Self.blockSize
        // `receivedBytes` includes this part.
        if let expectedBytes { size = min(size, expectedBytes - receivedBytes + rest.count) }
        guard budget.memory.reserve(size) else { return false }
        reservedBytes += size
        blockBytes += size
        guard let block = BodyBlock(size: size) else { return false }
        blocks.append(block)
      }
      let block = blocks[blocks.count - 1]
      let first = rest.prefix(block.room)
      block.append(UnsafeRawBufferPointer(rebasing: first))
      rest = rest.dropFirst(first.count)
    }
    return true
  }

  /// Makes the body one piece. Each block is freed as soon as it is copied, so that no more than one of
  /// them exists twice.
  func joinBlocks() {
    guard !blocks.isEmpty else { return }
    var whole: [UInt8] = []
    whole.reserveCapacity(blocks.reduce(body.count) { $0 + $1.count })
    whole += body
    // The last block comes first now.
    blocks.reverse()
    while let block = blocks.popLast() { block.withBytes { whole += $0 } }
    body = whole
    // The blocks' reservation is the body's now.
    bodyRoom += blockBytes
    blockBytes = 0
  }

  /// Frees the blocks, whose bytes are elsewhere.
  func freeBlocks() {
    blocks = []
    release(blockBytes)
    blockBytes = 0
  }

  /// Empties the body, to be filled with the unpacked one.
  ///
  /// - Returns: bytes that the packed body has reserved, to be released when it is unpacked
  func startUnpacking() -> Int {
    defer { bodyRoom = 0 }
    body = []
    bodyBytes = 0
    return bodyRoom
  }

  /// Gives bytes back to the budget, but no more than are reserved.
  func release(_ count: Int) {
    let released = min(count, reservedBytes)
    guard released > 0 else { return }
    loop.budget.memory.release(released)
    reservedBytes -= released
  }

  /// Frees the body and its reservation: a long body on a worker, because it takes
  /// milliseconds to return its pages to the system, or to delete its file.
  func dropBody() {
    if blocks.isEmpty, bodyFile == nil, body.capacity <= Self.blockSize {
      body = []
      releaseBody()
      return
    }
    let dropped = DroppedBody(
      piece: body, blocks: blocks, file: bodyFile, reservedBytes: reservedBytes,
      budget: loop.budget)
    body = []
    blocks = []
    bodyFile = nil
    reservedBytes = 0
    releaseBody()
    // A stopping pool has no worker for it.
    loop.workers.submit(
      WorkerPool.Item(run: { dropped.free() }, refuse: { _ in dropped.free() }), isAdmitted: true)
  }

  /// Frees a parsed body: see `HTTPRequest.forgetBody`.
  func forgetBody(keeping kept: Int) {
    guard reservedBytes > kept else { return }
    body = []
    release(reservedBytes - kept)
  }

  /// Returns the body's reservation to the budget.
  func releaseBody() {
    release(reservedBytes)
    bodyRoom = 0
    blockBytes = 0
  }
}

/// A body that no request uses any more, until a worker frees it.
private final class DroppedBody: Sendable {
  private struct Parts {
    var piece: [UInt8]
    var blocks: [BodyBlock]
    var file: BodyFile?
  }

  private let parts: Monitor<Parts?>
  private let reservedBytes: Int
  private let budget: BodyBudget

  init(
    piece: [UInt8], blocks: [BodyBlock], file: BodyFile?, reservedBytes: Int, budget: BodyBudget
  ) {
    parts = Monitor(Parts(piece: piece, blocks: blocks, file: file))
    self.reservedBytes = reservedBytes
    self.budget = budget
  }

  /// Frees the parts, then their reservation. Called once.
  func free() {
    parts.withLock { $0 = nil }
    budget.memory.release(reservedBytes)
  }
}
