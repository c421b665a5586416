/// A fixed number of threads for work that would hold an event loop too long, behind a bounded
/// queue.
final class WorkerPool: Sendable {
  /// One piece of work. Exactly one of the two closures is called, once.
  struct Item: Sendable {
    let run: @Sendable () -> Void
    /// Instead of `run`, when the pool gives up its queue.
    let discard: @Sendable () -> Void
  }

  private struct State {
    /// A ring: `count` items from `first`.
    var ring: [Item?]
    var first = 0
    var count = 0
    var isStopping = false
    /// Threads that have not ended, and those of them that are running an item.
    var alive = 0
    var busy = 0

    mutating func append(_ item: Item) -> Bool {
      guard count < ring.count, !isStopping else { return false }
      ring[(first + count) % ring.count] = item
      count += 1
      return true
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
    let monitor = Monitor(State(ring: Array(repeating: nil, count: queueLimit)))
    self.monitor = monitor
    threads = Monitor([])
    for _ in 0..<workers {
      monitor.withLock { $0.alive += 1 }
      do {
        let thread = try SystemThread { Self.work(monitor) }
        threads.withLock { $0.append(thread) }
      } catch {
        monitor.withLock { $0.alive -= 1 }
        stop()
        throw error
      }
    }
  }

  /// - Returns: false when the queue is full or the pool is stopping; the item is dropped then,
  ///   without a call of either closure.
  func submit(_ item: Item) -> Bool {
    let accepted = monitor.withLock { $0.append(item) }
    if accepted { monitor.signal() }
    return accepted
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
    for item in discarded { item.discard() }
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
