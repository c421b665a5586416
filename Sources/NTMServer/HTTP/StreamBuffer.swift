/// What the producer of a streaming reply has written and the event loop has not taken, and how the
/// two tell each other that it is over.
final class StreamBuffer: Sendable {
  /// Bytes that may wait to be taken; a single longer write may wait alone.
  static let bound = 64 << 10

  /// How the producer ends the body.
  enum End: Sendable {
    case finished, aborted
  }

  /// What the event loop finds.
  enum Read {
    case bytes(Int)
    /// Nothing yet.
    case waiting
    case end
    /// The connection is to be broken off.
    case broken
  }

  private enum Phase {
    case open
    /// By the producer; the rest of the bytes is still sent.
    case ended(End)
    /// By the transport.
    case closed
  }

  private struct State: Sendable {
    var phase = Phase.open
    /// What waits begins at `start`.
    var bytes: [UInt8] = []
    var start = 0
    var sent = 0
    var blockedWriters = 0
    /// Wakes the reader that found nothing.
    var wake: (@Sendable () -> Void)?
    /// Tells a producer that does not block that there is room for so many bytes.
    var waiter: (count: Int, tell: @Sendable () -> Void)?
    var closing: [@Sendable () -> Void] = []

    var waitingBytes: Int { bytes.count - start }

    var isOpen: Bool {
      if case .open = phase { true } else { false }
    }

    func hasRoom(for count: Int) -> Bool {
      waitingBytes == 0 || waitingBytes + count <= StreamBuffer.bound
    }

    mutating func append(_ new: [UInt8]) {
      // The watchers of a session share its long events.
      if waitingBytes == 0, new.count >= StreamBuffer.sharedBytes {
        (bytes, start) = (new, 0)
        return
      }
      // Moves at most as many bytes as have been taken since the last time.
      if start > bytes.count / 2 {
        bytes.removeSubrange(..<start)
        start = 0
      }
      bytes.append(contentsOf: new)
    }

    mutating func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
      let count = min(waitingBytes, buffer.count)
      bytes.withUnsafeBytes { buffer.copyMemory(from: .init(rebasing: $0[start..<start + count])) }
      start += count
      sent += count
      if start == bytes.count {
        // Thousands of streams are idle most of the time: memory is kept only where it is little.
        bytes.removeAll(keepingCapacity: bytes.capacity <= StreamBuffer.keptBytes)
        start = 0
      }
      return count
    }

    /// Whether so much has been taken that it is worth while to go on.
    var hasDrained: Bool { waitingBytes <= StreamBuffer.bound / 2 }

    mutating func takeWake() -> (@Sendable () -> Void)? {
      defer { wake = nil }
      return wake
    }

    /// Also the end of the stream ends the wait for room.
    mutating func takeWaiter() -> (@Sendable () -> Void)? {
      guard let waiter, !isOpen || hasDrained && hasRoom(for: waiter.count) else { return nil }
      self.waiter = nil
      return waiter.tell
    }
  }

  private static let keptBytes = 1 << 10
  /// A part of at least this length is not copied if nothing else waits.
  private static let sharedBytes = 16 << 10

  private let state = Monitor(State())

  var isClosed: Bool {
    state.withLock { if case .closed = $0.phase { true } else { false } }
  }

  /// Whether the producer may still write.
  var isOpen: Bool { state.withLock { $0.isOpen } }

  /// Bytes that the event loop has taken.
  var sent: Int { state.withLock { $0.sent } }

  // MARK: The producer's side

  func write(_ bytes: [UInt8]) -> Bool {
    var isBlocked = false
    let (isTaken, wake) = state.wait { state -> (Bool, (@Sendable () -> Void)?)? in
      if state.isOpen, !state.hasRoom(for: bytes.count) {
        if !isBlocked { state.blockedWriters += 1 }
        isBlocked = true
        return nil
      }
      if isBlocked { state.blockedWriters -= 1 }
      guard state.isOpen else { return (false, nil) }
      guard !bytes.isEmpty else { return (true, nil) }
      state.append(bytes)
      return (true, state.takeWake())
    }
    wake?()
    return isTaken
  }

  func offer(_ bytes: [UInt8]) -> HTTPBodyStream.Offer {
    let (offer, wake) = state.withLock {
      state -> (HTTPBodyStream.Offer, (@Sendable () -> Void)?) in
      guard state.isOpen else { return (.closed, nil) }
      guard state.hasRoom(for: bytes.count) else { return (.full, nil) }
      guard !bytes.isEmpty else { return (.taken, nil) }
      state.append(bytes)
      return (.taken, state.takeWake())
    }
    wake?()
    return offer
  }

  func whenWritable(_ count: Int, _ body: @escaping @Sendable () -> Void) {
    let waiter = state.withLock { state in
      precondition(state.waiter == nil, "two wait for room in a stream")
      state.waiter = (count, body)
      return state.takeWaiter()
    }
    waiter?()
  }

  /// No more bytes come. Does nothing once the body has ended.
  func end(_ end: End) {
    // The closures go away outside the lock: they may hold what uses it in its `deinit`.
    let (wake, waiter, closing) = state.withLock {
      state -> ((@Sendable () -> Void)?, (@Sendable () -> Void)?, [@Sendable () -> Void]) in
      guard state.isOpen else { return (nil, nil, []) }
      defer { state.closing = [] }
      state.phase = .ended(end)
      return (state.takeWake(), state.takeWaiter(), state.closing)
    }
    state.broadcast()
    wake?()
    waiter?()
    withExtendedLifetime(closing) {}
  }

  func onClose(_ body: @escaping @Sendable () -> Void) {
    let isClosed = state.withLock { state in
      switch state.phase {
      case .open: state.closing.append(body)
      case .ended: break
      case .closed: return true
      }
      return false
    }
    if isClosed { body() }
  }

  // MARK: The event loop's side

  /// Takes what is there. Where nothing is, `suspend` is called inside the lock: it stops the reader
  /// and gives what wakes it, which is called once.
  func read(
    into buffer: UnsafeMutableRawBufferPointer, suspend: () -> @Sendable () -> Void
  ) -> Read {
    let (read, wakesWriters, waiter) = state.withLock {
      state -> (Read, Bool, (@Sendable () -> Void)?) in
      if case .closed = state.phase { return (.broken, false, nil) }
      let count = state.take(into: buffer)
      if count > 0 {
        return (.bytes(count), state.hasDrained && state.blockedWriters > 0, state.takeWaiter())
      }
      switch state.phase {
      case .ended(.finished): return (.end, false, nil)
      case .ended(.aborted), .closed: return (.broken, false, nil)
      case .open:
        state.wake = suspend()
        return (.waiting, false, nil)
      }
    }
    if wakesWriters { state.broadcast() }
    waiter?()
    return read
  }

  /// The client has left, the server gives up, or all is sent. What waits is dropped.
  func close() {
    let (wake, waiter, closing) = state.withLock {
      state -> ((@Sendable () -> Void)?, (@Sendable () -> Void)?, [@Sendable () -> Void]) in
      defer { state.closing = [] }
      state.phase = .closed
      state.bytes = []
      state.start = 0
      return (state.takeWake(), state.takeWaiter(), state.closing)
    }
    state.broadcast()
    wake?()
    waiter?()
    for body in closing { body() }
  }
}
