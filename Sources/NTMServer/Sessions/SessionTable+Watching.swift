/// The memory that sessions' events take, which is part of the memory for sessions.
extension SessionTable {
  /// Takes memory for events if there is some, without making room.
  func takeEventMemory(_ bytes: Int) -> Bool {
    guard watched.take(bytes) else { return false }
    if exchange(0, for: bytes) { return true }
    watched.give(bytes)
    return false
  }

  func giveEventMemory(_ bytes: Int) {
    guard bytes > 0 else { return }
    watched.give(bytes)
    _ = exchange(bytes, for: 0)
  }

  func hasRoomForEvents(_ bytes: Int) -> Bool { watched.hasRoom(bytes) && hasRoom(bytes) }

  /// Takes memory for a watcher, for which histories are dropped and sessions move out.
  ///
  /// - Parameter mayWait: whether to wait for a disk if that makes room
  /// - Throws: `Problem` 503 if there is no room.
  func reserveEventMemory(_ bytes: Int, mayWait: Bool) throws(Problem) {
    guard bytes > 0 else { return }
    let room = { self.watched.hasRoom(bytes) }
    if !room() { _ = dropUnwatchedEvents(until: room) || shrinkEvents(until: room) }
    guard watched.take(bytes) else {
      throw Problem(
        .limitReached,
        "the events of watched sessions take at most \(watched.limit) bytes, and another watcher "
          + "needs \(bytes); try again later",
        fields: ["limit": .text(Limit.bytes.rawValue)], headers: ["Retry-After": "1"])
    }
    do throws(Problem) {
      _ = try reserve(bytes, isNew: false, mayWait: mayWait)
    } catch {
      watched.give(bytes)
      throw error
    }
  }

  /// Histories that are dropped at a time to make room.
  private static let most = 256

  /// Drops histories without watchers, oldest first.
  ///
  /// - Returns: whether there is room now
  func dropUnwatchedEvents(until hasRoom: () -> Bool) -> Bool {
    for _ in 0..<Self.most {
      guard let session = watched.nextIdle() else { return false }
      session.events.forgetUnwatched()
      if hasRoom() { return true }
    }
    return false
  }

  /// Shortens histories with watchers.
  ///
  /// - Returns: whether there is room now
  func shrinkEvents(until hasRoom: () -> Bool) -> Bool {
    for session in watched.some(Self.most) {
      session.events.shrink()
      if hasRoom() { return true }
    }
    return false
  }

  /// Drops histories without watchers while they take too much memory.
  func limitUnwatchedEvents() {
    guard watched.isOverIdleLimit else { return }
    _ = dropUnwatchedEvents { !watched.isOverIdleLimit }
  }

  // MARK: Housekeeping

  /// Drops the histories for which no watcher has come back in time.
  func forgetOldEvents(now: UInt64 = monotonicNanoseconds()) {
    guard now > SessionEvents.grace else { return }
    let time = now - SessionEvents.grace
    while let session = watched.nextIdle(since: time) {
      session.events.forgetUnwatched(since: time)
    }
  }

  /// Watchers that get a heartbeat at a time: the event loops serve others in between.
  static let heartbeats = 32

  /// Sends all watchers something, which shows that their connections are in use.
  ///
  /// - Parameter pause: called after each `heartbeats` watchers; returns whether to go on
  func sendHeartbeats(pause: () -> Bool) {
    var count = 0
    for session in watched.all {
      count += session.events.sendHeartbeat()
      guard count >= Self.heartbeats else { continue }
      count = 0
      guard pause() else { return }
    }
  }

  /// Finishes all watchers, because the server stops.
  func stopWatching() {
    for session in watched.all { session.events.end(.stopping(session.id), isFinal: false) }
  }
}
