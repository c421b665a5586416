import Testing

@testable import NTMServer

/// Waiting for room without a thread.
struct StreamBufferTests {
  private let buffer = StreamBuffer()
  private let calls = Monitor(0)

  private var count: Int { calls.withLock { $0 } }

  private func wait(for bytes: Int) {
    buffer.whenWritable(bytes) { [calls] in calls.withLock { $0 += 1 } }
  }

  private func read(_ count: Int) -> Int {
    var bytes = [UInt8](repeating: 0, count: count)
    guard
      case .bytes(let count) = bytes.withUnsafeMutableBytes({ buffer.read(into: $0) { {} } })
    else { return 0 }
    return count
  }

  @Test func itIsCalledAtOnceWhereThereIsRoom() {
    wait(for: 10 * StreamBuffer.bound)
    #expect(count == 1)
    #expect(buffer.offer([1]) == .taken)
    wait(for: 10)
    #expect(count == 2)
  }

  /// Little waits already, but what is to come does not fit beside it.
  @Test func itIsNotCalledWhileAnOfferWouldFail() {
    #expect(buffer.offer([1, 2]) == .taken)
    let long = [UInt8](repeating: 0, count: StreamBuffer.bound)
    #expect(buffer.offer(long) == .full)
    wait(for: long.count)
    #expect(count == 0)
    #expect(read(1) == 1)
    #expect(count == 0)
    #expect(read(1) == 1)
    #expect(count == 1)
    #expect(buffer.offer(long) == .taken)
  }

  @Test func itIsCalledOnceWhenHalfHasBeenRead() {
    #expect(buffer.offer([UInt8](repeating: 0, count: StreamBuffer.bound)) == .taken)
    wait(for: 1)
    var left = StreamBuffer.bound
    while left > 0 {
      left -= read(4096)
      #expect(count == (left <= StreamBuffer.bound / 2 ? 1 : 0))
    }
  }

  @Test(arguments: ["finished", "aborted", "left"]) func theEndCallsItToo(_ how: String) {
    #expect(buffer.offer([UInt8](repeating: 0, count: StreamBuffer.bound)) == .taken)
    wait(for: 1)
    switch how {
    case "finished": buffer.end(.finished)
    case "aborted": buffer.end(.aborted)
    default: buffer.close()
    }
    #expect(count == 1)
    wait(for: 1)
    #expect(count == 2)
  }
}

/// What is refused, and what is not.
struct WorkerPoolTests {
  @Test func whatHasBeenAdmittedIsNotRefusedForTheQueue() throws {
    let pool = try WorkerPool(workers: 1, queueLimit: 2)
    let gate = Gate()
    let done = Monitor<[Int]>([])
    let refused = Monitor<[HTTPRefusal]>([])
    let item = { @Sendable (number: Int) in
      WorkerPool.Item(
        run: {
          gate.pass()
          done.withLock { $0.append(number) }
          done.broadcast()
        }, refuse: { refusal in refused.withLock { $0.append(refusal) } })
    }
    let begun = Gate()
    pool.submit(
      WorkerPool.Item(
        run: {
          begun.open()
          gate.pass()
        }, refuse: { _ in }))
    begun.pass()
    for number in 1...3 { pool.submit(item(number)) }
    #expect(refused.withLock { $0 } == [.overloaded(retryAfterSeconds: 1)])
    for number in 4...20 { pool.submit(item(number), isAdmitted: true) }
    gate.open()
    // In the order in which they came.
    #expect(done.wait(until: testDeadline()) { $0.count == 19 ? $0 : nil } == [1, 2] + (4...20))
    pool.stop()
    pool.submit(item(21), isAdmitted: true)
    #expect(refused.withLock { $0 }.last == .draining)
  }
}
