/// A fixed number of threads for work that would hold an event loop too long, behind a bounded
/// queue.
final class WorkerPool: Sendable {
  /// One piece of work. Exactly one of the two closures is called, once.
  struct Item: Sendable {
    let run: @Sendable () -> Void
    /// Instead of `run`, when there is no room in the queue or the pool stops.
    let refuse: @Sendable (HTTPRefusal) -> Void
  }

  private struct State {
    /// Items that may wait, apart from those that were admitted before.
    let limit: Int
    /// A ring: `count` items from `first`.
    var ring: [Item?]
    var first = 0
    var count = 0
    var isStopping = false
    /// Threads that have not ended, and those of them that are running an item.
    var alive = 0
    var busy = 0

    init(limit: Int) {
      self.limit = limit
      ring = Array(repeating: nil, count: limit)
    }

    mutating func append(_ item: Item, isAdmitted: Bool) -> HTTPRefusal? {
      guard !isStopping else { return .draining }
      guard isAdmitted || count < limit else { return .overloaded(retryAfterSeconds: 1) }
      if count == ring.count {
        ring = Array(ring[first...] + ring[..<first]) + Array(repeating: nil, count: count)
        first = 0
      }
      ring[(first + count) % ring.count] = item
      count += 1
      return nil
    }

    mutating func popFirst() -> Item? {
      guard count > 0 else { return nil }
      defer {
        ring[first] = nil
        first = (first + 1) % ring.count
        count -= 1
      }
      return ring[first]
    }
  }

  private enum Next {
    case run(Item)
    case end
  }

  private let monitor: Monitor<State>
  private let threads: Monitor<[SystemThread]>

  /// - Parameters:
  ///   - workers: number of threads.
  ///   - queueLimit: how many items may wait for a thread.
  init(workers: Int, queueLimit: Int) throws(HTTPServerError) {
    precondition(workers > 0 && queueLimit > 0)
    let monitor = Monitor(State(limit: queueLimit))
    self.monitor = monitor
    threads = Monitor([])
    for _ in 0..<workers {
      monitor.withLock { $0.alive += 1 }
      do {
        let thread = try SystemThread {
          yieldToOtherThreads()
          Self.work(monitor)
        }
        threads.withLock { $0.append(thread) }
      } catch {
        monitor.withLock { $0.alive -= 1 }
        stop()
        throw error
      }
    }
  }

  /// Gives work to a thread. Where that is refused, this calls `item.refuse` itself.
  ///
  /// - Parameter isAdmitted: whether the work belongs to a request that was let in before. It is not
  ///   refused for the length of the queue, because part of it may have been done already.
  func submit(_ item: Item, isAdmitted: Bool = false) {
    if let refusal = monitor.withLock({ $0.append(item, isAdmitted: isAdmitted) }) {
      item.refuse(refusal)
    } else {
      monitor.signal()
    }
  }

  /// Takes no more work and gives up what is waiting. What is running goes on.
  func discardQueue() {
    let discarded = monitor.withLock { state in
      state.isStopping = true
      var items: [Item] = []
      while let item = state.popFirst() { items.append(item) }
      return items
    }
    monitor.broadcast()
    for item in discarded { item.refuse(.draining) }
  }

  /// Ends the idle threads, and lets those that are still running an item end by themselves: there
  /// is no way to interrupt them. Called once.
  func stop() {
    discardQueue()
    let busy = monitor.wait { $0.alive == $0.busy ? $0.busy : nil }
    let ended = threads.withLock { threads in
      defer { threads = [] }
      return threads
    }
    // A thread that has left the count of the living has nothing left to do: joining is short.
    for thread in ended { busy == 0 ? thread.join() : thread.detach() }
  }

  private static func work(_ monitor: Monitor<State>) {
    while true {
      let next = monitor.wait { state -> Next? in
        if let item = state.popFirst() {
          state.busy += 1
          return .run(item)
        }
        guard state.isStopping else { return nil }
        state.alive -= 1
        return .end
      }
      guard case .run(let item) = next else { return monitor.broadcast() }
      item.run()
      monitor.withLock { $0.busy -= 1 }
    }
  }
}
