/// The sessions that have watchers, or events for watchers that may come back. It holds them, so that
/// a session whose state is in the store only stays the one that its watchers watch.
final class WatchedSessions: Sendable {
  fileprivate struct Entry {
    /// The place among `sessions`.
    var index: Int
    /// Since when the session has had channels without watchers, and their bytes.
    var idleSince: UInt64?
    var idleBytes = 0
  }

  fileprivate struct State {
    var sessions: [Session] = []
    var entries: [ObjectIdentifier: Entry] = [:]
    /// A queue of sessions with channels without watchers, from `first`; some are out of date.
    var idle: [(id: ObjectIdentifier, since: UInt64)] = []
    var first = 0
    var idleBytes = 0
    /// Of all events.
    var bytes = 0
  }

  private let state = Lock(State())
  /// Bytes that all events may take.
  let limit: Int
  /// Most bytes of events without watchers.
  private let idleLimit: Int

  /// - Parameter bytes: of the memory for sessions
  init(bytes: Int) {
    limit = bytes / 2
    idleLimit = min(64 << 20, bytes / 16)
  }

  var all: [Session] { state.withLock { $0.sessions } }

  /// Random sessions, up to the given count.
  func some(_ count: Int) -> [Session] {
    state.withLock { state in
      (0..<min(count, state.sessions.count)).compactMap { _ in state.sessions.randomElement() }
    }
  }

  // MARK: Memory

  func hasRoom(_ more: Int) -> Bool { state.withLock { $0.bytes <= limit - more } }

  func take(_ more: Int) -> Bool {
    state.withLock { state in
      guard state.bytes <= limit - more else { return false }
      state.bytes += more
      return true
    }
  }

  func give(_ less: Int) { state.withLock { $0.bytes -= less } }

  // MARK: Sessions

  /// Adds or updates a session.
  ///
  /// - Parameters:
  ///   - idleSince: since when it has had channels without watchers; nil if it has none
  ///   - idleBytes: of these
  func update(_ session: Session, idleSince: UInt64?, idleBytes: Int) {
    let id = ObjectIdentifier(session)
    state.withLock { state in
      if state.entries[id] == nil {
        state.entries[id] = Entry(index: state.sessions.count)
        state.sessions.append(session)
      }
      state.idleBytes += idleBytes - state.entries[id]!.idleBytes
      state.entries[id]!.idleBytes = idleBytes
      guard state.entries[id]!.idleSince != idleSince else { return }
      state.entries[id]!.idleSince = idleSince
      if let idleSince { state.enqueue(id, idleSince) }
    }
  }

  /// - Returns: the session, which is to be let go of outside of locks
  func remove(_ session: Session) -> Session? {
    let id = ObjectIdentifier(session)
    return state.withLock { state in
      guard let entry = state.entries.removeValue(forKey: id) else { return nil }
      state.idleBytes -= entry.idleBytes
      let last = state.sessions.removeLast()
      guard last !== session else { return last }
      defer { state.entries[ObjectIdentifier(last)]?.index = entry.index }
      return state.sessions.replace(entry.index, by: last)
    }
  }

  /// Takes the session out of the queue that has waited longest for a watcher.
  ///
  /// - Parameter time: only if it has waited since this time (monotonic nanoseconds)
  func nextIdle(since time: UInt64 = .max) -> Session? {
    state.withLock { $0.dequeue(since: time) }
  }

  var isOverIdleLimit: Bool { state.withLock { $0.idleBytes > idleLimit } }
}

extension WatchedSessions.State {
  fileprivate mutating func enqueue(_ id: ObjectIdentifier, _ since: UInt64) {
    idle.append((id, since))
    guard idle.count > 2 * entries.count + 1000 else { return }
    idle = idle[first...].filter { entries[$0.id]?.idleSince == $0.since }
    first = 0
  }

  fileprivate mutating func dequeue(since time: UInt64) -> Session? {
    while first < idle.count {
      let (id, since) = idle[first]
      if let entry = entries[id], entry.idleSince == since {
        guard since <= time else { return nil }
        first += 1
        entries[id]!.idleSince = nil
        return sessions[entry.index]
      }
      first += 1
    }
    (idle, first) = ([], 0)
    return nil
  }
}

extension Array {
  fileprivate mutating func replace(_ index: Int, by new: Element) -> Element {
    defer { self[index] = new }
    return self[index]
  }
}
