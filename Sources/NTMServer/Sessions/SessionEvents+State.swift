extension SessionEvents {
  /// The state that the lock of a session's events guards.
  struct State {
    /// Of the events' ids; 0 before the first watcher.
    var epoch: UInt64 = 0
    /// How many steps the session had taken before event 1.
    let firstStep: Int
    /// How many it has taken.
    var step: Int
    /// The number of the newest event.
    var last = 0
    var channels: [EventChannel] = []
    /// Numbers of the next channel and the next watcher.
    var (nextChannel, nextWatcher) = (0, 0)
    /// No more events come.
    var hasEnded = false
    /// Set while there are channels.
    weak var session: Session?
    /// Watchers that `settle` hands on, and bytes that it gives back.
    var (blocked, freed) = ([EventChannel.Blocked](), 0)

    init(firstStep: Int) {
      self.firstStep = firstStep
      step = firstStep
    }

    var newest: EventID { EventID(epoch: epoch, number: last, step: step) }

    var watcherCount: Int { channels.reduce(0) { $0 + $1.watchers.count + $1.pending } }

    /// The cost of handing an event to a watcher, in bytes of a result.
    private static let watcherCost = 1500

    var cost: Int {
      channels.reduce(0) { $0 + $1.choice.cost + $1.watchers.count * Self.watcherCost }
    }
  }

  /// The memory that the histories of a session may still take.
  struct Growth {
    let table: SessionTable?
    var bytes: Int

    mutating func take(_ more: Int) -> Bool {
      guard more <= bytes, table?.takeEventMemory(more) ?? true else { return false }
      bytes -= more
      return true
    }
  }
}

extension SessionEvents.State {
  /// Adds events to the channels and sends them.
  ///
  /// - Parameter append: adds them to a channel; returns whether that took memory
  mutating func append(
    _ append: (inout EventChannel, inout SessionEvents.Growth) -> Bool
  ) -> SessionEvents.After {
    let reserved = channels.reduce(0) { $0 + $1.reserved }
    var growth = SessionEvents.Growth(
      table: session?.table, bytes: SessionEvents.byteLimit - reserved)
    var hasIdleGrown = false
    for index in channels.indices {
      if append(&channels[index], &growth), channels[index].isIdle { hasIdleGrown = true }
      blocked += channels[index].send()
    }
    // The rest of `settle` is needed only for channels without watchers.
    guard !hasIdleGrown else { return settle() }
    defer { blocked = [] }
    return SessionEvents.After(blocked: blocked)
  }

  mutating func endChannels() {
    for index in channels.indices { channels[index].hasEnded = true }
  }

  mutating func removeChannels(where isGone: (EventChannel) -> Bool) {
    for channel in channels where isGone(channel) { freed += channel.reserved }
    channels.removeAll(where: isGone)
  }

  /// Finishes and removes ended channels, and notes in the table whether the session is watched.
  mutating func settle() -> SessionEvents.After {
    for index in channels.indices {
      freed += channels[index].finishIfEnded() * channels[index].choice.watcherBytes
    }
    removeChannels { $0.hasEnded && $0.watchers.isEmpty }
    var after = SessionEvents.After(blocked: blocked, freed: freed)
    (blocked, freed) = ([], 0)
    guard let session, let table = session.table else { return after }
    after.table = table
    if channels.isEmpty {
      after.released = table.watched.remove(session)
      self.session = nil
    } else {
      let idle = channels.filter(\.isIdle)
      table.watched.update(
        session, idleSince: idle.map(\.idleSince).min(),
        idleBytes: idle.reduce(0) { $0 + $1.reserved })
    }
    return after
  }
}
